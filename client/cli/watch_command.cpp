// ncscope watch: the reports of a run as they are made.
#include "client/cli/commands.h"
#include "client/cli/server_option.h"
#include "client/client.h"
#include "client/output/document.h"
#include "client/output/epoch_table.h"
#include "proto/convert/report.h"

namespace ncscope::cli {
namespace {

struct WatchCommand {
  ServerOption server;
  std::string run;
  std::string format = "table";
  bool only_new = false;
  uint64_t count = 0;
};

void run_watch(const WatchCommand& command) {
  client::Client client = command.server.connect();
  v1::WatchReportsRequest request;
  request.set_run(command.run);
  request.set_include_existing(!command.only_new);
  const bool json = command.format == "json";
  const bool with_run = command.run.empty();
  if (!json) output::write_now(output::epoch_header(with_run, output::terminal_style()));
  uint64_t seen = 0;
  client.watch(request, [&](const v1::Report& report) {
    output::write_now(json ? report_to_json(report, false) + "\n"
                           : output::epoch_row(report, with_run));
    return ++seen != command.count;
  });
}

}  // namespace

void add_watch_command(Context& context) {
  const auto options = std::make_shared<WatchCommand>();
  CLI::App& command = add_subcommand(context, "watch", "Follow the reports of a run, until Ctrl-C",
                                     [options] { run_watch(*options); });
  command.add_option("RUN", options->run, "name of the run; all runs without")->type_name("");
  add_server_option(command, options->server);
  command.add_option("--format", options->format, "table, or json: a report on each line")
      ->type_name("")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command.add_flag("--only-new", options->only_new, "leave out the reports that are there already");
  command.add_option("--count", options->count, "end after this many reports")->type_name("N");
  add_environment(command);
}

}  // namespace ncscope::cli
