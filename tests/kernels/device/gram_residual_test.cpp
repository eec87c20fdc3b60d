#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/devices.h"
#include "tests/support/guarded.h"
#include "tests/support/oracle.h"
#include "tests/support/random.h"
#include "tests/support/tolerance.h"

namespace ncscope::test {
namespace {

class GramResidualTest : public DeviceTest {};

TEST_P(GramResidualTest, MatchesPlainLoops) {
  struct Case {
    size_t rows, cols;
  };
  for (const auto& [rows, cols] : {Case{2, 1}, {3, 2}, {40, 70}, {1025, 3}, {1100, 9}}) {
    Random random(4);
    const std::vector<double> a = random.normals(rows * cols);
    const std::vector<double> b = random.normals(rows * cols);
    Guarded da(device(), rows, cols, a);
    Guarded db(device(), rows, cols, b);
    const double expected =
        oracle_gram_residual({a.data(), rows, cols}, {b.data(), rows, cols}, 2.5);
    const double got = device().gram_residual(da.view(), db.view(), 2.5);
    EXPECT_NEAR(got / expected, 1, tolerance::kPairs) << rows << " rows of " << cols;
    EXPECT_EQ(device().gram_residual(da.view(), db.view(), 2.5), got);
  }
}

// Rows of (I - 11^T/P) are a simplex ETF: <m_c, m_c'> = I - 1/P, which is sqrt(P-1) E.
TEST_P(GramResidualTest, IsZeroForAnExactSimplex) {
  for (const size_t p : {2, 3, 10, 64}) {
    std::vector<double> m(p * p, -1.0 / static_cast<double>(p));
    for (size_t c = 0; c < p; ++c) m[c * p + c] += 1;
    const DeviceMatrix dm = upload(m, p, p);
    EXPECT_LE(device().gram_residual(dm, dm, std::sqrt(static_cast<double>(p - 1))), 1e-28 * p);
  }
}

NCSCOPE_TEST_ON_DEVICES(GramResidualTest);

}  // namespace
}  // namespace ncscope::test
