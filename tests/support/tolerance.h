// How far a result may be from the oracle's: c(op) * growth(n) * eps, on a relative norm.
#pragma once

#include <cmath>
#include <cstddef>

namespace ncscope::test::tolerance {

inline constexpr double kEps = 0x1p-52;
inline constexpr double kFloatEps = 0x1p-23;

// Rounding errors of a sum of n products walk at random: sqrt(n), with room.
inline double products(size_t n) { return 8 * std::sqrt(static_cast<double>(n)) * kEps; }
inline double cholesky(size_t n) { return 8 * static_cast<double>(n) * kEps; }
inline double eigen(size_t n) { return 16 * static_cast<double>(n) * kEps; }

// Scatter [d, d] of float32 samples, in Frobenius norm: errors of the products off the diagonal are
// independent, so there are d^2 of them over a norm that grows with sqrt(d) at least.
inline double float_scatter(size_t d) {
  return (1 + std::sqrt(static_cast<double>(d))) * kFloatEps;
}
// Anything computed from float64 samples.
inline constexpr double kDouble = 1e-12;
// Sums over pairs, each distance good to 1e-12.
inline constexpr double kPairs = 1e-11;

}  // namespace ncscope::test::tolerance
