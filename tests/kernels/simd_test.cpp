#include "kernels/cpu/simd.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/random.h"

namespace ncscope::test {
namespace {

// |got - log(x)| in units of the last place of log(x).
long double error_in_ulps(double got, double x) {
  const long double expected = std::log(static_cast<long double>(x));
  const double rounded = static_cast<double>(expected);
  const double ulp = std::nextafter(std::fabs(rounded), INFINITY) - std::fabs(rounded);
  return std::fabs(got - expected) / ulp;
}

TEST(SimdLog, IsWithinOneUlp) {
  Random random(1);
  std::vector<double> x;
  for (int i = 0; i < 200000; ++i) {
    x.push_back(1 + random.uniform());                               // either side of sqrt(2)
    x.push_back(1 + (random.uniform() - 0.5) * std::exp2(-i % 50));  // log near 0
    x.push_back(4 * random.uniform());                               // squared distances of units
    x.push_back(std::exp2(-1022 + 2045 * random.uniform()));         // every exponent
  }
  std::vector<double> out(x.size());
  simd::log(x.data(), x.size(), out.data());
  long double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] != 1) worst = std::max(worst, error_in_ulps(out[i], x[i]));
  }
  EXPECT_LT(worst, 1);
}

TEST(SimdLog, OfPowersOfTwoAndAnyLength) {
  const std::vector<double> x = {1, 0x1p-1022, 0x1p1023, 4, 1, 0.25, 2, 1, 1, 1, 0.5};
  for (size_t n = 0; n <= x.size(); ++n) {
    std::vector<double> out(x.size(), -7);
    simd::log(x.data(), n, out.data());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_DOUBLE_EQ(out[i], i < n ? std::log(x[i]) : -7) << i << " of " << n;
    }
  }
}

TEST(SimdSums, GrowthAndResidualDoNotCancel) {
  // b = (1 + 2^-40) a but for one element, which is exact in binary.
  std::vector<double> a(37, 3);
  std::vector<double> b(37, 3 * (1 + 0x1p-40));
  b[17] = 3;
  EXPECT_DOUBLE_EQ(simd::square_growth(a.data(), b.data(), 37),
                   36 * 9 * ((1 + 0x1p-40) * 0x1p-40 + 0x1p-40));
  EXPECT_DOUBLE_EQ(simd::squared_residual(a.data(), b.data(), 0x1p-40, 37), 9 * 0x1p-80);
}

}  // namespace
}  // namespace ncscope::test
