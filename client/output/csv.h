// Reports as CSV (RFC 4180): one row each, one column per field path.
#pragma once

#include <string>

#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// The header line: every leaf path of a report, then "undefined" (paths) and "warnings" (codes).
std::string csv_header();

// The line of a report; what is absent is empty.
std::string csv_row(const v1::Report& report);

}  // namespace ncscope::output
