// Mean and spread of a handful of numbers, length of a vector; host memory.
#pragma once

#include <limits>
#include <span>

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

}  // namespace ncscope::metrics
