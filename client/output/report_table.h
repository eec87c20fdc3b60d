// One report as a page that a person reads at a glance.
#pragma once

#include <cstddef>
#include <string>

#include "client/output/class_table.h"
#include "client/output/style.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// `max_classes`: rows of the per-class table, the first in this order.
std::string report_table(const v1::Report& report, size_t max_classes, ClassOrder order,
                         const Style& style);

}  // namespace ncscope::output
