// ncscope finish: the report of an epoch without the ranks that did not come back.
#include "client/cli/commands.h"
#include "client/cli/server_option.h"
#include "client/client.h"
#include "client/output/document.h"

namespace ncscope::cli {
namespace {

struct FinishCommand {
  ServerOption server;
  std::string run;
  uint32_t epoch = 0;
  std::string split = "train";
  std::string layer = "features";
};

void run_finish(const FinishCommand& command) {
  v1::SeriesKey key;
  key.set_run(command.run);
  key.set_epoch(command.epoch);
  key.set_split(command.split);
  key.set_layer(command.layer);
  client::Client client = command.server.connect();
  const auto report = client.report_partial(key);
  const std::string name = command.run + ", epoch " + std::to_string(command.epoch) + ", split " +
                           command.split + ", layer " + command.layer;
  if (!report) {
    output::write_now(name + " is complete; its report waits for that of the train split\n");
    return;
  }
  output::write_now("reported " + name + " in part, from " +
                    std::to_string(report->data().samples()) + " samples\n");
}

}  // namespace

void add_finish_command(Context& context) {
  const auto options = std::make_shared<FinishCommand>();
  CLI::App& command = add_subcommand(
      context, "finish", "Report an epoch in part, without ranks that did not come back",
      [options] { run_finish(*options); });
  command.add_option("RUN", options->run, "name of the run")->type_name("")->required();
  command.add_option("--epoch", options->epoch, "epoch, from 0")->type_name("E")->required();
  command.add_option("--split", options->split, "split")->type_name("NAME")->capture_default_str();
  command.add_option("--layer", options->layer, "layer")->type_name("NAME")->capture_default_str();
  add_server_option(command, options->server);
  add_environment(command);
  command.footer("Refused while one of its ranks is being streamed. See ncscope series.");
}

}  // namespace ncscope::cli
