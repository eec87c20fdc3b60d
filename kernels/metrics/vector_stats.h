// Mean and spread of a handful of numbers, length of a vector; host memory.
#pragma once

#include <limits>
#include <span>

#include "kernels/matrix.h"

namespace ncscope::metrics {

// A vector that is a mean, or a difference from one, is known to about this much of the length of
// what went into it.
inline constexpr double kVectorRounding = 16 * std::numeric_limits<double>::epsilon();

struct Spread {
  double mean = 0;
  double variance = 0;  // population form
};

// In two passes; zeros for no values.
Spread spread_of(std::span<const double> values);

double sum_of(std::span<const double> values);

// ||v||_2
double norm_of(std::span<const double> v);

// Largest |x_cj - center_j| of the rows x_c. Where it is below kSmallestDeviation, fourth powers
// of distances underflow.
inline constexpr double kSmallestDeviation = 0x1p-220;
double largest_deviation(ConstMatrix rows, std::span<const double> center);

}  // namespace ncscope::metrics
