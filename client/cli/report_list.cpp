#include "client/cli/report_list.h"

#include "client/client.h"
#include "client/output/csv.h"
#include "proto/convert/report.h"

namespace ncscope::cli {

void add_query_options(CLI::App& command, ReportQuery& query) {
  command.add_option("RUN", query.run, "name of the run")->type_name("")->required();
  add_server_option(command, query.server);
  command.add_option("--epoch", query.epoch, "only this epoch")->type_name("E");
  command.add_option("--split", query.split, "only this split")->type_name("S");
  command.add_option("--layer", query.layer, "only this layer")->type_name("L");
}

std::vector<v1::Report> fetch_reports(const ReportQuery& query, bool include_classes,
                                      bool include_layers) {
  client::Client client = query.server.connect();
  v1::ListReportsRequest request;
  request.set_run(query.run);
  request.set_split(query.split);
  request.set_layer(query.layer);
  request.set_include_classes(include_classes);
  request.set_include_layers(include_layers);
  if (query.epoch) {
    request.set_min_epoch(*query.epoch);
    request.set_max_epoch(*query.epoch);
  }
  std::vector<v1::Report> reports;
  client.reports(request, [&](const v1::Report& report) { reports.push_back(report); });
  if (reports.empty()) {
    throw Error("server " + query.server.address + ": no such report of run " + query.run);
  }
  return reports;
}

std::string list_document(const std::vector<v1::Report>& reports, const std::string& format) {
  if (format == "csv") {
    std::string text = output::csv_header();
    for (const v1::Report& report : reports) text += output::csv_row(report);
    return text;
  }
  std::string text = "[";
  for (size_t i = 0; i < reports.size(); ++i) {
    text += (i > 0 ? ",\n" : "\n") + report_to_json(reports[i], false);
  }
  return text + "\n]\n";
}

}  // namespace ncscope::cli
