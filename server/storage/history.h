// The scalar metrics whose history a run keeps, beside the reports themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ncscope/v1/report.pb.h"

namespace ncscope::server {

struct HistoryMetric {
  const char* path;  // field path of Report
  bool highest_is_best;
};

// The list, in the order of Dynamics.metrics. What is new in it has a history from then on.
std::span<const HistoryMetric> history_metrics();

// Where it is in the list.
inline constexpr size_t kPinvMetric = 0;

// Whether nc4 was decided over some of the samples only: it has no place beside that of others
// then, and proves no train error of 0.
bool is_nc4_sampled(const v1::Report& report);

// Values by their place in the list.
using MetricValues = std::vector<std::optional<double>>;
MetricValues metric_values(const v1::Report& report);

// One report of a series.
struct HistoryPoint {
  uint32_t epoch = 0;
  MetricValues values;
};

}  // namespace ncscope::server
