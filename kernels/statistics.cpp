#include "kernels/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/device_checks.h"
#include "kernels/finite.h"

namespace ncscope {

Statistics Statistics::empty(size_t num_classes, size_t dim, DType input_type) {
  Statistics out;
  out.num_classes = num_classes;
  out.dim = dim;
  out.input_type = input_type;
  out.product_type = compute_type(input_type);
  out.scatter.resize(check::checked_bytes("Statistics::empty", dim, dim, sizeof(double)) /
                     sizeof(double));
  return out;
}

namespace {

constexpr const char* kCheck = "Statistics::check";

void check_values(const char* what, const std::vector<double>& values, double lowest) {
  // Without a branch per value, so that compilers vectorise it.
  bool holds = true;
  for (const double x : values) holds &= std::isfinite(x) & (x >= lowest);
  if (holds) return;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && values[i] >= lowest) continue;
    check::require(kCheck, false,
                   std::string(what) + (lowest == 0 ? " finite and >= 0" : " finite"),
                   check::number_text(values[i]) + " at " + std::to_string(i));
  }
}

// Powers of what is larger would overflow.
void check_below(const char* what, const std::vector<double>& values, double limit) {
  bool holds = true;
  for (const double x : values) holds &= std::fabs(x) < limit;
  if (holds) return;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::fabs(values[i]) < limit) continue;
    check::require(kCheck, false,
                   std::string(what) + " below " + check::number_text(limit) + " in magnitude",
                   check::number_text(values[i]) + " at " + std::to_string(i));
  }
}

void check_classes(const Statistics& s) {
  uint64_t total = 0;
  for (size_t i = 0; i < s.present(); ++i) {
    const std::string where = " at " + std::to_string(i);
    check::require(kCheck, s.classes[i] < s.num_classes,
                   "classes below " + std::to_string(s.num_classes),
                   std::to_string(s.classes[i]) + where);
    check::require(kCheck, i == 0 || s.classes[i - 1] < s.classes[i], "ascending classes",
                   std::to_string(s.classes[i]) + where);
    check::require(kCheck, s.counts[i] >= 1, "counts of at least 1", "0" + where);
    check::require(kCheck, !__builtin_add_overflow(total, s.counts[i], &total),
                   "counts that 64 bits can sum", std::to_string(s.counts[i]) + where);
  }
  check::require(kCheck, total == s.samples, "counts that sum to " + std::to_string(s.samples),
                 std::to_string(total));
}

void check_symmetric(const Statistics& s) {
  const size_t d = s.dim;
  for (size_t i = 0; i < d; ++i) {
    check::require(kCheck, s.scatter[i * d + i] >= 0, "scatter with a diagonal >= 0",
                   check::number_text(s.scatter[i * d + i]) + " at " + std::to_string(i));
  }
  // By tiles of one cache line, so that columns are read from cache.
  constexpr size_t kTile = 8;
  for (size_t i0 = 0; i0 < d; i0 += kTile) {
    for (size_t j = i0 + 1; j < d; ++j) {
      for (size_t i = i0; i < std::min(i0 + kTile, j); ++i) {
        if (s.scatter[i * d + j] == s.scatter[j * d + i]) continue;
        check::require(kCheck, false, "a symmetric scatter",
                       "two values at " + check::shape_text(i, j));
      }
    }
  }
}

}  // namespace

void Statistics::check() const {
  check::require(kCheck, num_classes > 0 && dim > 0 && num_classes <= INT32_MAX && dim <= INT32_MAX,
                 "K and d in [1, 2147483647]", check::shape_text(num_classes, dim));
  dtype_size(input_type);  // throws for an unknown type
  check::require(kCheck, product_type == DType::kFloat32 || product_type == DType::kFloat64,
                 "products in float32 or float64", std::string(dtype_name(product_type)));
  const size_t p = present();
  check::require_size(kCheck, "counts", p, counts.size());
  check::require_size(kCheck, "within", p, within.size());
  check::require_size(kCheck, "means", check::checked_bytes(kCheck, p, dim, 1), means.size());
  check::require_size(kCheck, "scatter", check::checked_bytes(kCheck, dim, dim, 1), scatter.size());
  check_classes(*this);
  constexpr double kAny = -std::numeric_limits<double>::infinity();
  check_values("sum_squares", {sum_squares}, 0);
  check_values("scatter_resolution", {scatter_resolution}, 0);
  check_values("within", within, 0);
  check_values("means", means, kAny);
  check_values("scatter", scatter, kAny);
  // Sums of 2^50 squares or less.
  constexpr double kSquares = kMagnitudeLimit * kMagnitudeLimit * 0x1p50;
  check_below("means", means, kMagnitudeLimit);
  check_below("within", within, kSquares);
  check_below("scatter", scatter, kSquares);
  check_symmetric(*this);
}

}  // namespace ncscope
