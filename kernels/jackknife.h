// Standard errors of the metrics of class variability, by leaving out groups of samples: the state
// is mergeable, so a report without some of its parts costs no second look at the samples.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/device.h"
#include "kernels/report.h"
#include "kernels/report_values.h"
#include "kernels/statistics.h"

namespace ncscope {

// Fewer groups say too little: of g of them a standard error is known to about 1 / sqrt(2 (g - 1)).
inline constexpr size_t kFewestGroups = 8;
// More parts than this share groups, since each group costs a report of NC1.
inline constexpr size_t kMostGroups = 16;

// How many groups `parts` parts make, and the group of one of them: neighbours go together.
constexpr size_t jackknife_groups(size_t parts) {
  return parts < kMostGroups ? parts : kMostGroups;
}
constexpr size_t jackknife_group(size_t part, size_t parts) {
  return part * jackknife_groups(parts) / parts;
}

// The states of disjoint samples, at least one, as one.
Statistics merge_all(Device& device, std::span<const Statistics> groups);

// Sets nc1.pinv_standard_error, quotient_standard_error, cdnv_standard_error and jackknife_groups
// beside the report's `values`, or says why they have no value. `groups` are all samples of the
// report, each in one of them; those without samples are left out. The groups may differ in size
// (delete-m_j jackknife; Busing, Meijer and van der Leeden, Statistics and Computing 9, 1999), but
// should be alike: where one holds four times its share of a class, the report warns.
// Throws InvalidArgument where K or d differ.
void add_standard_errors(Device& device, std::span<const Statistics> groups,
                         const ReportOptions& options, ReportValues& values);

}  // namespace ncscope
