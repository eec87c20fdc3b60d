// merge() of statistics.h. Every expression is symmetric in its two sides, so that their order does
// not change a bit.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "kernels/device.h"
#include "kernels/device_checks.h"
#include "kernels/statistics.h"

namespace ncscope {
namespace {

// Rows of deltas that one update of the scatter takes, in elements.
constexpr size_t kRunElements = size_t{1} << 21;

DType coarser(DType a, DType b) { return dtype_epsilon(a) >= dtype_epsilon(b) ? a : b; }

void append_class(const Statistics& from, size_t row, Statistics& out) {
  out.classes.push_back(from.classes[row]);
  out.counts.push_back(from.counts[row]);
  out.within.push_back(from.within[row]);
  const double* const mean = from.means.data() + row * from.dim;
  out.means.insert(out.means.end(), mean, mean + from.dim);
}

// Mean of both sides, from that of the larger; exactly equal means stay what they are.
double merged_mean(double a, uint64_t n_a, double b, uint64_t n_b) {
  if (n_a == n_b) return 0.5 * a + 0.5 * b;
  const double n = static_cast<double>(n_a) + static_cast<double>(n_b);
  if (n_a > n_b) return a + (b - a) * (static_cast<double>(n_b) / n);
  return b + (a - b) * (static_cast<double>(n_a) / n);
}

// Appends the class that both sides hold; its sqrt(n_a n_b / n) (mu_a - mu_b) goes to `deltas`.
void append_common(const Statistics& a, size_t i, const Statistics& b, size_t j, Statistics& out,
                   std::vector<double>& deltas) {
  const size_t d = out.dim;
  const auto n_a = static_cast<double>(a.counts[i]);
  const auto n_b = static_cast<double>(b.counts[j]);
  const double weight = n_a * n_b / (n_a + n_b);
  const double root = std::sqrt(weight);
  double squared = 0;
  for (size_t c = 0; c < d; ++c) {
    const double mean_a = a.means[i * d + c];
    const double mean_b = b.means[j * d + c];
    const double delta = mean_a - mean_b;
    squared += delta * delta;
    deltas.push_back(root * delta);
    out.means.push_back(merged_mean(mean_a, a.counts[i], mean_b, b.counts[j]));
  }
  out.classes.push_back(a.classes[i]);
  out.counts.push_back(a.counts[i] + b.counts[j]);
  out.within.push_back((a.within[i] + b.within[j]) + weight * squared);
}

// The scatter on the device, which it reaches only if there is something to add.
class ScatterSum {
 public:
  ScatterSum(Device& device, std::vector<double>& values, size_t dim)
      : device_(device), values_(values), dim_(dim) {}

  void add(std::vector<double>& rows) {
    if (rows.empty()) return;
    if (sum_.rows() == 0) sum_ = device_.upload({values_.data(), dim_, dim_});
    device_.syrk(true, 1.0, device_.upload({rows.data(), rows.size() / dim_, dim_}), 1.0, sum_);
    rows.clear();
  }

  void finish() {
    if (sum_.rows() > 0) device_.download(sum_, values_.data());
  }

 private:
  Device& device_;
  std::vector<double>& values_;
  size_t dim_;
  DeviceMatrix sum_;
};

}  // namespace

Statistics merge(Device& device, const Statistics& a, const Statistics& b) {
  check::require("merge", a.num_classes == b.num_classes, "K of " + std::to_string(a.num_classes),
                 std::to_string(b.num_classes));
  check::require("merge", a.dim == b.dim, "d of " + std::to_string(a.dim), std::to_string(b.dim));
  Statistics out = Statistics::empty(a.num_classes, a.dim, coarser(a.input_type, b.input_type));
  // A state without samples has no products.
  out.product_type = coarser(a.product_type, b.product_type);
  if (a.samples == 0 && b.samples > 0) out.product_type = b.product_type;
  if (b.samples == 0 && a.samples > 0) out.product_type = a.product_type;
  out.samples = a.samples + b.samples;
  out.skipped_nonfinite = a.skipped_nonfinite + b.skipped_nonfinite;
  out.ignored = a.ignored + b.ignored;
  out.sum_squares = a.sum_squares + b.sum_squares;
  out.scatter_resolution = a.scatter_resolution + b.scatter_resolution;
  for (size_t i = 0; i < out.scatter.size(); ++i) out.scatter[i] = a.scatter[i] + b.scatter[i];

  std::vector<uint32_t> either;
  std::set_union(a.classes.begin(), a.classes.end(), b.classes.begin(), b.classes.end(),
                 std::back_inserter(either));
  out.means.reserve(either.size() * out.dim);
  ScatterSum scatter(device, out.scatter, out.dim);
  std::vector<double> deltas;
  size_t i = 0;
  size_t j = 0;
  while (i < a.present() || j < b.present()) {
    if (j == b.present() || (i < a.present() && a.classes[i] < b.classes[j])) {
      append_class(a, i++, out);
    } else if (i == a.present() || b.classes[j] < a.classes[i]) {
      append_class(b, j++, out);
    } else {
      append_common(a, i++, b, j++, out, deltas);
      if (deltas.size() >= kRunElements) scatter.add(deltas);
    }
  }
  scatter.add(deltas);
  scatter.finish();
  return out;
}

}  // namespace ncscope
