// Reports of a run, one line each.
#pragma once

#include <string>

#include "client/output/style.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// The headings of the columns. With `with_run`, each line starts with the name of its run.
std::string epoch_header(bool with_run, const Style& style);

// One line; "-" where a metric is undefined.
std::string epoch_row(const v1::Report& report, bool with_run);

}  // namespace ncscope::output
