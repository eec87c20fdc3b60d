// How two states compare.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/statistics.h"

namespace ncscope::test {

// ||a - b|| / ||b||, Frobenius; 0 if both are zero.
inline double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  if (difference == 0) return 0;
  return std::sqrt(difference / size);
}

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

inline void expect_same_bits(const Statistics& a, const Statistics& b) {
  EXPECT_EQ(a.num_classes, b.num_classes);
  EXPECT_EQ(a.dim, b.dim);
  EXPECT_EQ(a.input_type, b.input_type);
  EXPECT_EQ(a.product_type, b.product_type);
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.skipped_nonfinite, b.skipped_nonfinite);
  EXPECT_EQ(a.ignored, b.ignored);
  EXPECT_TRUE(same_bits({a.sum_squares}, {b.sum_squares}));
  EXPECT_TRUE(same_bits({a.scatter_resolution}, {b.scatter_resolution}));
  EXPECT_EQ(a.classes, b.classes);
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_TRUE(same_bits(a.means, b.means)) << "means";
  EXPECT_TRUE(same_bits(a.within, b.within)) << "within";
  EXPECT_TRUE(same_bits(a.scatter, b.scatter)) << "scatter";
}

// `scatter` bounds the scatter's relative error, `sums` that of everything summed in float64.
inline void expect_close(const Statistics& a, const Statistics& b, double scatter, double sums) {
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.classes, b.classes);
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_LE(relative_error({a.sum_squares}, {b.sum_squares}), sums) << "sum_squares";
  EXPECT_LE(relative_error(a.means, b.means), sums) << "means";
  EXPECT_LE(relative_error(a.within, b.within), sums) << "within";
  EXPECT_LE(relative_error(a.scatter, b.scatter), scatter) << "scatter";
}

}  // namespace ncscope::test
