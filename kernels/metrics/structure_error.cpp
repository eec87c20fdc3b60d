#include "kernels/metrics/structure_error.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/metrics/etf.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {
namespace {

// ||AB^T - alpha E||_F^2. With more than 2d rows it is far from 0, since AB^T then has rank d and E
// has rank m - 1, and the d x d products give it without the m x m one.
double product_residual(Device& device, ConstMatrix a, ConstMatrix b, double alpha) {
  const size_t dim = a.cols;
  if (a.rows <= 2 * dim) return device.gram_residual(a, b, alpha);
  const DeviceMatrix of_a = device.matrix(dim, dim);
  const DeviceMatrix of_b = device.matrix(dim, dim);
  device.syrk(true, 1, a, 0, of_a);
  device.syrk(true, 1, b, 0, of_b);
  return std::max(0.0, sum_of(device.row_dots(of_a, of_b)) - alpha * alpha);
}

}  // namespace

std::optional<double> structure_error(Device& device, ConstMatrix a, ConstMatrix b,
                                      std::span<const double> dots) {
  const std::vector<double> a_sum = column_sums(device, a);
  const std::vector<double> b_sum = column_sums(device, b);
  const double of_sums = std::inner_product(a_sum.begin(), a_sum.end(), b_sum.begin(), 0.0);
  const double count = static_cast<double>(a.rows);
  // <AB^T, E>
  const double alpha = (sum_of(dots) - of_sums / count) / std::sqrt(count - 1);
  const double residual = product_residual(device, a, b, alpha);
  if (alpha == 0 && residual == 0) return std::nullopt;
  return etf_distance(alpha, residual);
}

}  // namespace ncscope::metrics
