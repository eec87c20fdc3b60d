// Measures a data set on this machine.
#pragma once

#include <optional>
#include <vector>

#include "client/measure/options.h"
#include "kernels/decisions.h"
#include "kernels/device.h"
#include "ncscope/v1/report.pb.h"
#include "proto/convert/statistics.h"

namespace ncscope::measure {

// What samples or states came to.
struct Measurement {
  StatisticsBundle whole;
  std::vector<Statistics> groups;  // of the same samples, for standard errors; else empty
};

// One pass: the mergeable state of the set, and its classifier. Throws InvalidArgument naming file
// and row of what is refused.
StatisticsBundle local_statistics(Device& device, const files::SampleSet& set,
                                  const MeasureOptions& options, const ReadSamples& progress = {});

// Two passes: the second takes the decisions against the final means, or those of `options.train`.
// Throws InvalidArgument where its K or d differ. For standard errors the first keeps 16 states.
v1::Report local_report(Device& device, const files::SampleSet& set, const MeasureOptions& options,
                        const ReadSamples& progress = {});

// The state of all parts together, and their classifier; `grouped` keeps groups of parts. Throws
// InvalidArgument where shapes or classifiers differ, naming the part by `names`.
Measurement merge_bundles(Device& device, std::vector<StatisticsBundle> bundles,
                          const std::vector<std::string>& names, bool grouped);

// The report; `decisions` may be null.
v1::Report report_of(Device& device, const Measurement& measured, const DecisionCounts* decisions,
                     const MeasureOptions& options, uint32_t parts);
v1::Report report_of_bundle(Device& device, const StatisticsBundle& bundle,
                            const DecisionCounts* decisions, const MeasureOptions& options,
                            uint32_t parts);

}  // namespace ncscope::measure
