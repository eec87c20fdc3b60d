#include "kernels/metrics/vector_stats.h"

#include <algorithm>
#include <cmath>

namespace ncscope::metrics {

Spread spread_of(std::span<const double> values) {
  Spread out;
  if (values.empty()) return out;
  const double count = static_cast<double>(values.size());
  out.mean = sum_of(values) / count;
  for (const double x : values) out.variance += (x - out.mean) * (x - out.mean);
  out.variance /= count;
  return out;
}

double sum_of(std::span<const double> values) {
  double sum = 0;
  for (const double x : values) sum += x;
  return sum;
}

double norm_of(std::span<const double> v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

double largest_deviation(ConstMatrix rows, std::span<const double> center) {
  double largest = 0;
  for (size_t r = 0; r < rows.rows; ++r) {
    for (size_t j = 0; j < rows.cols; ++j) {
      largest = std::max(largest, std::fabs(rows.row(r)[j] - center[j]));
    }
  }
  return largest;
}

}  // namespace ncscope::metrics
