// Saying of several fields at once that they have no value.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "kernels/report_values.h"

namespace ncscope::metrics {

// Records `reason` for every "group.field".
inline void undefined_fields(ReportValues& out, std::string_view group,
                             std::initializer_list<std::string_view> fields,
                             const std::string& reason) {
  for (const std::string_view field : fields) {
    out.undefined(std::string(group).append(".").append(field), reason);
  }
}

}  // namespace ncscope::metrics
