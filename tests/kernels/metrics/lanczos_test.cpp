#include "kernels/metrics/lanczos.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ncscope::metrics {
namespace {

ApplyMatrix diagonal(std::vector<double> values) {
  return [values = std::move(values)](std::span<double> v) {
    for (size_t i = 0; i < v.size(); ++i) v[i] *= values[i];
  };
}

TEST(Lanczos, FindsTheLargestEigenvalue) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(1 + i % 997);
  const auto found = largest_eigenvalue(values.size(), diagonal(values));
  ASSERT_TRUE(found);
  EXPECT_NEAR(*found, 997, 997e-13);
}

TEST(Lanczos, OfOneByOne) { EXPECT_DOUBLE_EQ(*largest_eigenvalue(1, diagonal({3})), 3); }

TEST(Lanczos, OfZero) { EXPECT_EQ(largest_eigenvalue(5, diagonal({0, 0, 0, 0, 0})), 0); }

TEST(Lanczos, EqualEigenvaluesEndAtOnce) {
  int products = 0;
  const auto found = largest_eigenvalue(500, [&](std::span<double> v) {
    ++products;
    for (double& x : v) x *= 7;
  });
  EXPECT_NEAR(*found, 7, 1e-14);
  EXPECT_LE(products, 2);
}

TEST(Lanczos, ATightClusterAtTheTop) {
  std::vector<double> values(400, 1);
  for (size_t i = 0; i < 200; ++i) values[i] = 2 + 1e-9 * static_cast<double>(i);
  EXPECT_NEAR(*largest_eigenvalue(values.size(), diagonal(values)), 2 + 199e-9, 1e-12);
}

TEST(Lanczos, ALargestThatStandsAloneAmongMany) {
  std::vector<double> values(2000, 1);
  values[1234] = 1 + 1e-6;
  EXPECT_NEAR(*largest_eigenvalue(values.size(), diagonal(values)), 1 + 1e-6, 1e-13);
}

TEST(Lanczos, TwoNearlyEqualOnesAreNotTakenForOneInBetween) {
  for (const double distance : {1e-4, 1e-5, 1e-6, 1e-7, 1e-8}) {
    std::vector<double> values;
    for (int i = 0; i < 500; ++i) values.push_back(0.5 * std::cos(i));
    values[100] = 1;
    values[300] = 1 - distance;
    const auto found = largest_eigenvalue(values.size(), diagonal(values));
    ASSERT_TRUE(found) << distance;
    EXPECT_NEAR(*found, 1, 1e-10) << distance;
  }
}

TEST(Lanczos, SaysSoWhereItDoesNotConverge) {
  // The eigenvalues of a path graph crowd quadratically at both ends.
  std::vector<double> values;
  const size_t n = 20000;
  for (size_t i = 0; i < n; ++i) {
    values.push_back(2 - 2 * std::cos(3.14159265358979 * static_cast<double>(i) / n));
  }
  EXPECT_EQ(largest_eigenvalue(n, diagonal(values)), std::nullopt);
}

TEST(Lanczos, SaysSoWhereTheMatrixOverflows) {
  std::vector<double> values(50, 1);
  values[7] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(largest_eigenvalue(50, diagonal(values)), std::nullopt);
}

TEST(Lanczos, SameBitsTwice) {
  std::vector<double> values;
  for (int i = 0; i < 300; ++i) values.push_back(std::sin(i) + 1);
  EXPECT_EQ(largest_eigenvalue(300, diagonal(values)), largest_eigenvalue(300, diagonal(values)));
}

}  // namespace
}  // namespace ncscope::metrics
