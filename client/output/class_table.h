// The per-class part of a report.
#pragma once

#include <cstddef>
#include <string>

#include "client/output/style.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// At most `max_classes` classes, those with the largest within-class variance first; all of them
// in their own order where there is room. Empty for a report without classes.
std::string class_table(const v1::Report& report, size_t max_classes, const Style& style);

}  // namespace ncscope::output
