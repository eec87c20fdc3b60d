// From samples to a report in one call, the way a server goes about it.
#pragma once

#include <cstddef>

#include "kernels/classifier.h"
#include "kernels/device.h"
#include "kernels/report.h"
#include "kernels/statistics.h"
#include "tests/support/samples.h"

namespace ncscope::test {

// Rows [first, first + count) through an Accumulator.
Statistics accumulate_rows(Device& device, const Samples& samples, size_t first, size_t count);

// The report on the samples behind `statistics`, decisions about their own means included.
// `classifier` may be null.
ReportValues report_on(Device& device, const Samples& samples, const Statistics& statistics,
                       const Classifier* classifier, Weighting weighting = Weighting::kUniform);

// Both.
ReportValues measure(Device& device, const Samples& samples, const Classifier* classifier,
                     Weighting weighting = Weighting::kUniform);

// The report on samples that were not trained on, with the class means of `train` for centres.
ReportValues evaluate(Device& device, const Samples& samples, const Samples& train,
                      const Classifier* classifier, Weighting weighting, bool ood);

}  // namespace ncscope::test
