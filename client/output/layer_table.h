// The other layers of a report, one line each.
#pragma once

#include <string>

#include "client/output/style.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// Empty where the report has no layers.
std::string layer_table(const v1::Report& report, const Style& style);

}  // namespace ncscope::output
