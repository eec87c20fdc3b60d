// How far a score that was taken in T may be from that of float64: what argmax_affine decides by.
#pragma once

#include <cmath>
#include <cstddef>

#ifdef __CUDACC__
#define NCSCOPE_HOST_DEVICE __host__ __device__
#else
#define NCSCOPE_HOST_DEVICE
#endif

namespace ncscope {

// u is half the spacing of T at 1.
template <class T>
struct Precision;
template <>
struct Precision<float> {
  static constexpr double kUnit = 0x1p-24;
  static constexpr double kSmallest = 0x1p-126;
  static constexpr double kLargest = 0x1.fffffep127;
};
template <>
struct Precision<double> {
  static constexpr double kUnit = 0x1p-53;
  static constexpr double kSmallest = 0x1p-1022;
  static constexpr double kLargest = 0x1.fffffffffffffp1023;
};

// The difference between a score summed in T, in any order, and the plain float64 one is below this
// bound for every class, for a row of this norm. Both factors of a product are rounded to T, and a
// sum of d products in T is off by d u at most (Higham, Accuracy and Stability of Numerical
// Algorithms, section 3.1), all relative to sum |a_j h_j| <= ||a|| ||h||; the same holds for the
// plain loop with u of float64, which also rounds the addition of t. Values below the smallest
// normal number are off by that number at most, whatever a library makes of subnormal ones. The
// plain score of points is half a sum of (a_j - h_j)^2. Infinite where a sum may overflow.
template <class T>
NCSCOPE_HOST_DEVICE double score_error(size_t dim, bool points, double norm, double largest_norm,
                                       double largest_offset) {
  using P = Precision<T>;
  constexpr double kDoubleUnit = Precision<double>::kUnit;
  const auto terms = static_cast<double>(dim) + 4;
  const double size = norm * largest_norm;
  const bool fits =
      norm < P::kLargest / 4 && largest_norm < P::kLargest / 4 && size < P::kLargest / 4;
  if (!fits || terms * P::kUnit > 0.1) return HUGE_VAL;
  // 1.2 > 1 / (1 - 0.1) covers the higher powers of u.
  double error = 1.2 * (terms * (P::kUnit + kDoubleUnit) * size + 2 * kDoubleUnit * largest_offset +
                        terms * P::kSmallest * (1 + norm + largest_norm));
  if (points) {
    const double reach = norm + largest_norm;
    error += terms * kDoubleUnit * reach * reach;
  }
  return error;
}

}  // namespace ncscope
