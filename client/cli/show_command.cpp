// ncscope show: the reports of a run, one line each, or in full for one epoch.
#include <optional>

#include "client/cli/commands.h"
#include "client/cli/report_list.h"
#include "client/cli/server_option.h"
#include "client/client.h"
#include "client/output/document.h"
#include "client/output/epoch_table.h"
#include "client/output/report_table.h"

namespace ncscope::cli {
namespace {

struct ShowCommand {
  ReportQuery query;
  OutputOptions output;
};

std::string shown_text(const std::vector<v1::Report>& reports, const ShowCommand& command) {
  if (command.output.format != "table") return list_document(reports, command.output.format);
  const output::Style style =
      command.output.output.empty() ? output::terminal_style() : output::Style{};
  std::string text;
  if (command.query.epoch) {
    for (const v1::Report& report : reports) {
      text += (text.empty() ? "" : "\n\n") +
              output::report_table(report, max_classes(command.output),
                                   output::parse_class_order(command.output.class_order), style);
    }
    return text;
  }
  text = output::epoch_header(false, style);
  for (const v1::Report& report : reports) text += output::epoch_row(report, false);
  return text;
}

void run_show(const ShowCommand& command) {
  max_classes(command.output);
  // The table of epochs has neither classes nor other layers.
  const bool full = command.output.format == "json" || command.query.epoch.has_value();
  output::write_document(shown_text(fetch_reports(command.query, full, full), command),
                         output_path(command.output));
}

}  // namespace

void add_show_command(Context& context) {
  const auto options = std::make_shared<ShowCommand>();
  CLI::App& command =
      add_subcommand(context, "show", "Show the reports of a run, or all of one epoch's",
                     [options] { run_show(*options); });
  add_query_options(command, options->query);
  add_output_options(command, options->output);
  add_environment(command);
  command.footer("Without --epoch: a line for each report. JSON is an array of reports.");
}

}  // namespace ncscope::cli
