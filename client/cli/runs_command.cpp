// ncscope runs: the runs that a server has.
#include <google/protobuf/util/time_util.h>

#include "client/cli/commands.h"
#include "client/cli/server_option.h"
#include "client/client.h"
#include "client/output/document.h"
#include "client/output/message_json.h"
#include "client/output/number.h"
#include "client/output/style.h"

namespace ncscope::cli {
namespace {

struct RunsCommand {
  ServerOption server;
  std::string format = "table";
};

using Runs = std::vector<v1::ListRunsResponse::Run>;

std::string epochs_text(const v1::ListRunsResponse::Run& run) {
  if (run.reports() == 0) return "-";
  return std::to_string(run.first_epoch()) + " to " + std::to_string(run.last_epoch());
}

std::string runs_table(const Runs& runs, const output::Style& style) {
  const auto line = [](const std::string& run, const std::string& reports,
                       const std::string& epochs, const std::string& open,
                       const std::string& updated) {
    return output::left(run, 32) + output::right(reports, 9) + output::right(epochs, 16) +
           output::right(open, 6) + "  " + updated;
  };
  std::string text = style.heading(line("run", "reports", "epochs", "open", "last report")) + "\n";
  for (const auto& run : runs) {
    const std::string updated =
        run.has_updated_at() ? google::protobuf::util::TimeUtil::ToString(run.updated_at()) : "-";
    text += line(run.run(), std::to_string(run.reports()), epochs_text(run),
                 std::to_string(run.open_series()), updated) +
            "\n";
  }
  return text;
}

std::string runs_json(const Runs& runs) {
  v1::ListRunsResponse all;
  for (const auto& run : runs) *all.add_runs() = run;
  return output::message_json(all);
}

void run_runs(const RunsCommand& command) {
  client::Client client = command.server.connect();
  const Runs runs = client.runs();
  output::write_now(command.format == "json" ? runs_json(runs)
                                             : runs_table(runs, output::terminal_style()));
}

}  // namespace

void add_runs_command(Context& context) {
  const auto options = std::make_shared<RunsCommand>();
  CLI::App& command = add_subcommand(context, "runs", "List the runs of a server",
                                     [options] { run_runs(*options); });
  add_server_option(command, options->server);
  command.add_option("--format", options->format, "table or json (the ListRunsResponse message)")
      ->type_name("")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  add_environment(command);
}

}  // namespace ncscope::cli
