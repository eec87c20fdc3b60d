// ncscope export: every report of a run, for machines.
#include "client/cli/commands.h"
#include "client/cli/report_list.h"
#include "client/output/document.h"

namespace ncscope::cli {
namespace {

struct ExportCommand {
  ReportQuery query;
  OutputOptions output;
};

}  // namespace

void add_export_command(Context& context) {
  const auto options = std::make_shared<ExportCommand>();
  CLI::App& command =
      add_subcommand(context, "export", "Write the reports of a run as JSON or CSV", [options] {
        const bool classes = options->output.format == "json";
        output::write_document(
            list_document(fetch_reports(options->query, classes), options->output.format),
            output_path(options->output));
      });
  options->output.format = "json";
  add_query_options(command, options->query);
  command.add_option("--format", options->output.format, "json (an array of reports) or csv")
      ->type_name("")
      ->check(CLI::IsMember({"json", "csv"}))
      ->capture_default_str();
  command
      .add_option("--output", options->output.output, "file to write instead of standard output")
      ->type_name("PATH");
  add_environment(command);
}

}  // namespace ncscope::cli
