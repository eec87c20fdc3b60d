// Several reports of a server: which ones, and how they are written for machines.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/report_options.h"
#include "client/cli/server_option.h"

namespace ncscope::cli {

struct ReportQuery {
  ServerOption server;
  std::string run;
  std::optional<uint32_t> epoch;
  std::string split;
  std::string layer;
};

// RUN, --server, --connect-timeout, --epoch, --split, --layer.
void add_query_options(CLI::App& command, ReportQuery& query);

// Throws ServerError; Error where there is no such report.
std::vector<v1::Report> fetch_reports(const ReportQuery& query, bool include_classes,
                                      bool include_layers = false);

// "json": an array of reports; "csv": a header and a row each.
std::string list_document(const std::vector<v1::Report>& reports, const std::string& format);

}  // namespace ncscope::cli
