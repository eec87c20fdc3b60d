#include "kernels/metrics/vector_stats.h"

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

}  // namespace ncscope::metrics
