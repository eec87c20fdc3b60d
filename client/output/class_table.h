// The per-class part of a report.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "client/output/style.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::output {

// What comes first.
enum class ClassOrder {
  kWorst,     // largest variance over squared distance to the nearest class; over 1 without that
  kLabel,     // lowest label
  kCount,     // fewest samples
  kAccuracy,  // smallest share that the classifier, else the nearest mean, gives its label
};

// "worst", "label", "count" or "accuracy"; throws InvalidArgument naming the choices.
ClassOrder parse_class_order(std::string_view name);

// At most `max_classes` classes, the first in this order. Empty for a report without classes.
std::string class_table(const v1::Report& report, size_t max_classes, ClassOrder order,
                        const Style& style);

}  // namespace ncscope::output
