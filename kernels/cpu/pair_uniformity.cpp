#include "kernels/cpu/pair_uniformity.h"

#include <algorithm>
#include <cmath>

#include "kernels/clones.h"
#include "kernels/cpu/simd.h"

namespace ncscope {
namespace {

constexpr size_t kChunk = 128;  // pairs whose kernels a first-level cache holds

// A sum and a sum of squares about the first value, which is no further from the mean than
// sqrt(n) standard deviations: m2 loses n eps at most.
class ShiftedSums {
 public:
  [[gnu::always_inline]] void add(const double* values, size_t n) {
    if (empty_) first_ = values[0];
    empty_ = false;
    for (size_t j = 0; j < n; j += simd::kLanes) {
      simd::Double8 x;
      std::memcpy(&x, values + j, sizeof(x));
      x -= first_;
      sum_ += x;
      squares_ += x * x;
    }
  }

  // Of the n values that were not the first once more.
  [[gnu::always_inline]] Moments moments(size_t n) const {
    double sum = 0;
    double squares = 0;
    for (size_t l = 0; l < simd::kLanes; ++l) {
      sum += sum_[l];
      squares += squares_[l];
    }
    const auto count = static_cast<double>(n);
    const double m2 = squares - sum * sum / count;
    return {n, first_ + sum / count, m2 < 0 ? 0 : m2};
  }

 private:
  bool empty_ = true;
  double first_ = 0;
  simd::Double8 sum_ = {};
  simd::Double8 squares_ = {};
};

// out[j] *= y[j]^exponent by squaring; y is overwritten.
[[gnu::always_inline]] inline void multiply_power(double* y, unsigned exponent, size_t n,
                                                  double* out) {
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) {
      for (size_t j = 0; j < n; ++j) out[j] *= y[j];
    }
    if (exponent == 1) break;
    for (size_t j = 0; j < n; ++j) y[j] *= y[j];
  }
}

}  // namespace

NCSCOPE_CLONES bool unit_squares(const double* cosines, size_t n, double* squares) {
  unsigned cancels = 0;
  for (size_t j = 0; j < n; ++j) {
    squares[j] = 2 - 2 * cosines[j];
    cancels |= static_cast<unsigned>(squares[j] < kUnitsCancel);
  }
  return cancels != 0;
}

// With e = y - x and ||x|| <= ||y||, v - u = (e - (||y|| - ||x||) u) / ||y||, and
// ||y|| - ||x|| = <e, x + y> / (||x|| + ||y||): nothing cancels that the rows themselves do not.
double unit_squared_distance(const double* x, double x_norm, const double* y, double y_norm,
                             size_t dim) {
  if (x_norm > y_norm) {
    std::swap(x, y);
    std::swap(x_norm, y_norm);
  }
  const double longer = simd::square_growth(x, y, dim) / (x_norm + y_norm);
  return simd::squared_residual(x, y, longer / x_norm, dim) / y_norm / y_norm;
}

NCSCOPE_CLONES UniformityMoments uniformity_moments(double* squares, size_t n,
                                                    const RieszPower& power) {
  // The first once more is nothing about the first.
  const size_t padded = (n + simd::kLanes - 1) / simd::kLanes * simd::kLanes;
  for (size_t j = n; j < padded; ++j) squares[j] = squares[0];
  double logs[kChunk];
  double distances[kChunk];
  double ratios[kChunk];
  double riesz[kChunk];
  ShiftedSums distance_sums;
  ShiftedSums log_sums;
  ShiftedSums riesz_sums;
  for (size_t first = 0; first < padded; first += kChunk) {
    const size_t count = std::min(kChunk, padded - first);
    simd::log(squares + first, count, logs);
    log_sums.add(logs, count);
    for (size_t j = 0; j < count; ++j) {
      const double square = squares[first + j];
      const double inverse = 1 / square;
      distances[j] = std::sqrt(square);
      ratios[j] = power.ideal_square * inverse;
      riesz[j] = power.odd ? power.ideal * (distances[j] * inverse) : 1;
    }
    distance_sums.add(distances, count);
    multiply_power(ratios, power.whole, count, riesz);
    riesz_sums.add(riesz, count);
  }
  UniformityMoments out = {distance_sums.moments(n), log_sums.moments(n), riesz_sums.moments(n)};
  out.log.mean *= -0.5;  // log(1/D) = -log(D^2) / 2
  out.log.m2 *= 0.25;
  return out;
}

}  // namespace ncscope
