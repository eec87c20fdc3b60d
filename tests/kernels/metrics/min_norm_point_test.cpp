#include "kernels/metrics/min_norm_point.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/support/random.h"

namespace ncscope::test {
namespace {

using metrics::min_norm_point;

std::vector<double> gram_of(const std::vector<double>& points, size_t dim) {
  const size_t n = points.size() / dim;
  std::vector<double> out(n * n);
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < n; ++b) {
      out[a * n + b] =
          std::inner_product(&points[a * dim], &points[a * dim] + dim, &points[b * dim], 0.0);
    }
  }
  return out;
}

std::vector<double> weights_of(const std::vector<double>& points, size_t dim,
                               const std::vector<double>& start = {}) {
  const std::vector<double> gram = gram_of(points, dim);
  const size_t n = points.size() / dim;
  return min_norm_point({gram.data(), n, n}, start).weights;
}

// No point is on this side of the plane through y that y is the normal of.
void expect_nearest(const std::vector<double>& points, size_t dim,
                    const std::vector<double>& weights, double tolerance) {
  const size_t n = points.size() / dim;
  ASSERT_EQ(weights.size(), n);
  std::vector<double> y(dim, 0);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    EXPECT_GE(weights[i], 0);
    sum += weights[i];
    for (size_t j = 0; j < dim; ++j) y[j] += weights[i] * points[i * dim + j];
  }
  EXPECT_NEAR(sum, 1, 1e-13);
  const double square = std::inner_product(y.begin(), y.end(), y.begin(), 0.0);
  for (size_t i = 0; i < n; ++i) {
    EXPECT_GE(std::inner_product(y.begin(), y.end(), &points[i * dim], 0.0), square - tolerance);
  }
}

TEST(MinNormPoint, OfOnePoint) { EXPECT_EQ(weights_of({3, 4}, 2), std::vector<double>{1}); }

TEST(MinNormPoint, WithinASegmentAndAtItsEnd) {
  const std::vector<double> within = weights_of({1, 3, 1, -1}, 2);
  EXPECT_NEAR(within[0], 0.25, 1e-15);
  EXPECT_NEAR(within[1], 0.75, 1e-15);
  EXPECT_EQ(weights_of({1, 3, 1, 1}, 2), (std::vector<double>{0, 1}));
}

TEST(MinNormPoint, LeavesPointsThatItBeganWith) {
  EXPECT_EQ(weights_of({1, 3, 1, 1, 5, 5}, 2, {0.5, 0.1, 0.4}), (std::vector<double>{0, 1, 0}));
}

TEST(MinNormPoint, OfAPointAtTheOrigin) {
  EXPECT_EQ(weights_of({1, 0, 0, 0, -1, 0}, 2), (std::vector<double>{0, 1, 0}));
}

TEST(MinNormPoint, AroundTheOriginThereIsNothingLeft) {
  const std::vector<double> weights = weights_of({1, 0, -1, 1, -1, -1}, 2);
  EXPECT_NEAR(weights[0], 0.5, 1e-15);
  EXPECT_NEAR(weights[1], 0.25, 1e-15);
}

TEST(MinNormPoint, OfEqualPoints) {
  const std::vector<double> points = {1, 2, 1, 2, 2, 1, 2, 1, 1, 2};
  expect_nearest(points, 2, weights_of(points, 2), 1e-14);
  expect_nearest(points, 2, weights_of(points, 2, {0.2, 0.2, 0.2, 0.2, 0.2}), 1e-14);
}

TEST(MinNormPoint, OfManyPointsFromAnyStart) {
  for (const auto& [n, dim] : {std::pair<size_t, size_t>{40, 3}, {60, 25}, {30, 90}, {150, 60}}) {
    Random random(n);
    std::vector<double> points = random.normals(n * dim);
    for (size_t i = 0; i < n; ++i) points[i * dim] += 4;
    expect_nearest(points, dim, weights_of(points, dim), 1e-12);
    expect_nearest(points, dim, weights_of(points, dim, std::vector<double>(n, 1.0)), 1e-12);
  }
}

TEST(MinNormPoint, OfPointsOfVeryDifferentLengths) {
  const std::vector<double> points = {1e-7, 1e-8, 0, 1e-7, -1e-8, 1e-9, 1, 1, 0, 2e-7, 0, -1};
  expect_nearest(points, 3, weights_of(points, 3), 1e-27);
}

}  // namespace
}  // namespace ncscope::test
