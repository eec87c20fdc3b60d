// Samples small enough to check by hand.
#pragma once

#include <string>
#include <vector>

#include "kernels/classifier.h"
#include "kernels/report.h"
#include "tests/support/devices.h"
#include "tests/support/oracle.h"
#include "tests/support/samples.h"

namespace ncscope::test {

// float64 features, written out row by row.
inline Samples small_samples(size_t num_classes, size_t dim, std::vector<double> features,
                             std::vector<int32_t> labels) {
  return make_samples(DType::kFloat64, num_classes, dim, std::move(features), std::move(labels));
}

inline Classifier small_classifier(size_t dim, std::vector<double> weight,
                                   std::vector<double> bias = {}) {
  return {weight.size() / dim, dim, std::move(weight), std::move(bias)};
}

// The report on samples, through the oracle's statistics; no decisions.
inline ReportValues small_report(Device& device, const Samples& samples,
                                 const Classifier* classifier = nullptr,
                                 Weighting weighting = Weighting::kUniform) {
  ReportOptions options;
  options.weighting = weighting;
  return compute_report(device, oracle_statistics(samples), classifier, nullptr, options);
}

}  // namespace ncscope::test
