#include "kernels/metrics/class_weights.h"

namespace ncscope::metrics {

std::vector<double> class_weights(const Statistics& statistics, Weighting weighting) {
  const size_t present = statistics.present();
  std::vector<double> weights(present, 1.0 / static_cast<double>(present));
  if (weighting == Weighting::kByCount) {
    const double samples = static_cast<double>(statistics.samples);
    for (size_t c = 0; c < present; ++c) {
      weights[c] = static_cast<double>(statistics.counts[c]) / samples;
    }
  }
  return weights;
}

std::vector<double> weighted_mean(ConstMatrix rows, std::span<const double> weights) {
  const double* first = rows.row(0);
  std::vector<double> mean(rows.cols, 0.0);
  for (size_t r = 1; r < rows.rows; ++r) {
    const double* row = rows.row(r);
    for (size_t j = 0; j < rows.cols; ++j) mean[j] += weights[r] * (row[j] - first[j]);
  }
  for (size_t j = 0; j < rows.cols; ++j) mean[j] += first[j];
  return mean;
}

}  // namespace ncscope::metrics
