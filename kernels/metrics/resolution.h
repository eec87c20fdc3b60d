// What the rounding of products leaves uncertain of a number, and how a report says so.
#pragma once

#include <cstdio>
#include <string>

#include "kernels/statistics.h"

namespace ncscope::metrics {

// Relative error from which on a number is marked.
inline constexpr double kMarked = 0x1p-4;

// Size of the rounding error of u^T S_W u for a unit vector u.
inline double scatter_error(const Statistics& s) {
  return s.scatter_resolution / static_cast<double>(s.samples);
}

// Two digits.
inline std::string brief(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2g", value);
  return text;
}

// "nc1.pinv may be off by 0.12: rounding of ..."
inline std::string uncertain(const Statistics& s, const char* path, double error) {
  return std::string(path) + " may be off by " + brief(error) +
         (s.product_type == DType::kFloat64
              ? ": rounding of float64 products"
              : ": rounding of float32 products; ask for fp64 math, or send float64 features");
}

}  // namespace ncscope::metrics
