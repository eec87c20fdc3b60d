// ncscope delete: removes a run from a server.
#include "client/cli/commands.h"
#include "client/cli/server_option.h"
#include "client/client.h"
#include "client/output/document.h"

namespace ncscope::cli {
namespace {

struct DeleteCommand {
  ServerOption server;
  std::string run;
};

}  // namespace

void add_delete_command(Context& context) {
  const auto options = std::make_shared<DeleteCommand>();
  CLI::App& command =
      add_subcommand(context, "delete", "Delete a run: its reports and states", [options] {
        client::Client client = options->server.connect();
        const uint64_t reports = client.delete_run(options->run);
        output::write_now("deleted " + options->run + " with " + std::to_string(reports) +
                          (reports == 1 ? " report\n" : " reports\n"));
      });
  command.add_option("RUN", options->run, "name of the run")->type_name("")->required();
  add_server_option(command, options->server);
  add_environment(command);
}

}  // namespace ncscope::cli
