#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/devices.h"
#include "tests/support/guarded.h"
#include "tests/support/oracle.h"
#include "tests/support/random.h"
#include "tests/support/statistics_matchers.h"
#include "tests/support/tolerance.h"

namespace ncscope::test {
namespace {

class PairReduceTest : public DeviceTest {
 protected:
  // Device result, the same from products that were given, and the oracle's of the same numbers.
  struct Both {
    PairSums got, expected, from_products;
  };

  Both both(const std::vector<double>& rows, size_t p, size_t d,
            const std::vector<double>& variances, const std::vector<double>& resolution,
            double etf_scale) {
    std::vector<double> norms(p);
    for (size_t c = 0; c < p; ++c) {
      for (size_t j = 0; j < d; ++j) norms[c] += rows[c * d + j] * rows[c * d + j];
    }
    Guarded device_rows(device(), p, d, rows);
    PairInput input;
    input.rows = device_rows.view();
    input.squared_norms = norms;
    input.within_variances = variances;
    input.resolution = resolution;
    input.etf_scale = etf_scale;
    Both out;
    out.got = device().pair_reduce(input);
    const DeviceMatrix products = device().matrix(p, p);
    device().syrk(false, 1, device_rows.view(), 0, products);
    input.products = products;
    out.from_products = device().pair_reduce(input);
    input.rows = ConstMatrix(rows.data(), p, d);
    out.expected = oracle_pairs(input);
    return out;
  }

  void expect_match(const Both& both) {
    for (const PairSums& got : {both.got, both.from_products}) {
      expect_sums(got, both.expected);
      expect_extreme(got.coherence, both.expected.coherence, "coherence");
      expect_extreme(got.cdnv_worst, both.expected.cdnv_worst, "cdnv_worst");
      expect_extreme(got.equal, both.expected.equal, "equal");
    }
  }

  static void expect_sums(const PairSums& got, const PairSums& expected) {
    EXPECT_EQ(got.pairs, expected.pairs);
    EXPECT_EQ(got.cosine.count, expected.cosine.count);
    EXPECT_NEAR(got.cosine.mean, expected.cosine.mean, 1e-14);
    EXPECT_NEAR(got.cosine.m2, expected.cosine.m2,
                tolerance::kPairs * expected.cosine.m2 + 1e-26 * expected.pairs);
    EXPECT_NEAR(got.max_angle_sum, expected.max_angle_sum,
                tolerance::kPairs * expected.max_angle_sum + 1e-14 * expected.pairs);
    EXPECT_LE(relative_error({got.cdnv_sum}, {expected.cdnv_sum}), tolerance::kPairs);
    EXPECT_LE(relative_error({got.cdnv_fourth_sum}, {expected.cdnv_fourth_sum}), tolerance::kPairs);
    EXPECT_LE(relative_error({got.gram_residual}, {expected.gram_residual}), tolerance::kPairs);
    EXPECT_EQ(got.nearest, expected.nearest);
    EXPECT_LE(relative_error(got.nearest_distance, expected.nearest_distance), tolerance::kPairs);
  }

  static void expect_extreme(const std::optional<PairExtreme>& got,
                             const std::optional<PairExtreme>& expected, const char* name) {
    ASSERT_EQ(got.has_value(), expected.has_value()) << name;
    if (!got) return;
    EXPECT_EQ(got->first, expected->first) << name;
    EXPECT_EQ(got->second, expected->second) << name;
    EXPECT_NEAR(got->value, expected->value, tolerance::kPairs * std::fabs(expected->value))
        << name;
  }
};

std::vector<double> positive_numbers(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<double> out(n);
  for (double& x : out) x = 0.1 + random.uniform();
  return out;
}

TEST_P(PairReduceTest, MatchesPlainLoops) {
  struct Case {
    size_t rows, cols;
  };
  for (const auto& [p, d] : {Case{2, 1}, {3, 2}, {17, 5}, {33, 130}, {600, 3}, {1600, 4}}) {
    SCOPED_TRACE(testing::Message() << p << " rows of " << d);
    Random random(p);
    expect_match(both(random.normals(p * d), p, d, positive_numbers(p, 3), {}, 1.5));
  }
}

TEST_P(PairReduceTest, WithoutVariancesThereIsNoCdnv) {
  Random random(1);
  const Both result = both(random.normals(60), 20, 3, {}, {}, 0);
  expect_match(result);
  EXPECT_EQ(result.got.cdnv_sum, 0);
  EXPECT_FALSE(result.got.cdnv_worst.has_value());
}

TEST_P(PairReduceTest, CloseRowsFarFromTheOriginKeepTheirDistances) {
  const size_t p = 40;
  const size_t d = 24;
  for (const double spread : {1e-1, 1e-3, 1e-6, 1e-9}) {
    SCOPED_TRACE(spread);
    Random random(2);
    std::vector<double> rows = random.normals(p * d);
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i] = std::round(rows[i] * 1024) / 1024 * spread + 1 + 0.1 * static_cast<double>(i % d);
    }
    const auto [got, expected, same] = both(rows, p, d, positive_numbers(p, 3), {}, 0);
    EXPECT_LE(relative_error({got.cdnv_sum}, {expected.cdnv_sum}), tolerance::kPairs);
    EXPECT_LE(relative_error({got.cdnv_fourth_sum}, {expected.cdnv_fourth_sum}), tolerance::kPairs);
    EXPECT_EQ(got.nearest, expected.nearest);
    EXPECT_LE(relative_error(got.nearest_distance, expected.nearest_distance), tolerance::kPairs);
    EXPECT_LE(relative_error({same.cdnv_sum}, {expected.cdnv_sum}), tolerance::kPairs);
  }
}

TEST_P(PairReduceTest, EqualRowsAreNamedAndLeftOut) {
  const size_t p = 700;
  Random random(5);
  std::vector<double> rows = random.normals(p * 3);
  for (const auto& [to, from] : {std::pair{650, 20}, std::pair{500, 7}, std::pair{30, 7}}) {
    std::copy_n(rows.begin() + from * 3, 3, rows.begin() + to * 3);
  }
  const Both result = both(rows, p, 3, positive_numbers(p, 3), {}, 1);
  expect_sums(result.got, result.expected);
  expect_sums(result.from_products, result.expected);
  expect_extreme(result.got.cdnv_worst, result.expected.cdnv_worst, "cdnv_worst");
  EXPECT_NEAR(result.got.coherence->value, 1, 1e-15);  // of all equal pairs, up to rounding
  EXPECT_EQ(result.got.equal->first, 7u);
  EXPECT_EQ(result.got.equal->second, 30u);
  EXPECT_EQ(result.got.equal->value, 0);
  EXPECT_EQ(result.got.nearest[7], 30u);
  EXPECT_EQ(result.got.nearest[500], 7u);
  EXPECT_TRUE(std::isfinite(result.got.cdnv_sum));
}

TEST_P(PairReduceTest, RowsWithinTheirResolutionAreEqual) {
  const std::vector<double> rows = {0, 0, 1, 0, 1.25, 0, 5, 0};
  const std::vector<double> variances = {1, 1, 1, 1};
  const Both apart = both(rows, 4, 2, variances, {0.1, 0.1, 0.1, 0.1}, 0);
  expect_match(apart);
  EXPECT_FALSE(apart.got.equal.has_value());
  const Both together = both(rows, 4, 2, variances, {0.125, 0.125, 0.125, 0.125}, 0);
  expect_match(together);
  ASSERT_TRUE(together.got.equal.has_value());
  EXPECT_EQ(together.got.equal->first, 1u);
  EXPECT_EQ(together.got.equal->value, 0.25);
}

TEST_P(PairReduceTest, AllRowsEqual) {
  const Both result =
      both(std::vector<double>(50, 3.0), 10, 5, std::vector<double>(10, 1.0), {}, 1);
  EXPECT_EQ(result.got.cdnv_sum, 0);
  EXPECT_FALSE(result.got.cdnv_worst.has_value());
  EXPECT_EQ(result.got.equal->first, 0u);
  EXPECT_EQ(result.got.equal->second, 1u);
  EXPECT_EQ(result.got.nearest, (std::vector<size_t>{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(result.got.nearest_distance, std::vector<double>(10, 0.0));
}

TEST_P(PairReduceTest, ZeroVectorsHaveNoCosine) {
  const size_t p = 40;
  Random random(6);
  std::vector<double> rows = random.normals(p * 4);
  for (const size_t c : {0, 11, 39}) std::fill_n(rows.begin() + c * 4, 4, 0.0);
  for (size_t j = 0; j < 4; ++j) rows[8 + j] = -std::fabs(rows[8 + j]);
  const Both result = both(rows, p, 4, positive_numbers(p, 1), {}, 1);
  expect_match(result);
  EXPECT_EQ(result.got.cosine.count, 37u * 36 / 2);
  const Both none = both(std::vector<double>(6, 0.0), 3, 2, {}, {}, 0);
  EXPECT_EQ(none.got.cosine.count, 0u);
  EXPECT_FALSE(none.got.coherence.has_value());
}

TEST_P(PairReduceTest, TiesGoToTheLowestPair) {
  // Four corners of a square: every side is as long as every other.
  const std::vector<double> rows = {1, 0, 0, 1, -1, 0, 0, -1};
  const Both result = both(rows, 4, 2, {1, 1, 1, 1}, {}, 0);
  expect_match(result);
  EXPECT_EQ(result.got.coherence->first, 0u);
  EXPECT_EQ(result.got.coherence->second, 1u);
  EXPECT_EQ(result.got.cdnv_worst->second, 1u);
  EXPECT_EQ(result.got.nearest, (std::vector<size_t>{1, 0, 1, 0}));
}

TEST_P(PairReduceTest, TheSameInputGivesTheSameBits) {
  const size_t p = 1300;
  Random random(7);
  const std::vector<double> rows = random.normals(p * 6);
  const std::vector<double> variances = positive_numbers(p, 2);
  const std::vector<double> norms = positive_numbers(p, 4);
  const DeviceMatrix device_rows = upload(rows, p, 6);
  PairInput input;
  input.rows = device_rows;
  input.squared_norms = norms;
  input.within_variances = variances;
  input.etf_scale = 2;
  const PairSums first = device().pair_reduce(input);
  const PairSums second = device().pair_reduce(input);
  const auto numbers = [](const PairSums& s) {
    return std::vector<double>{s.cosine.mean,     s.cosine.m2,     s.max_angle_sum,   s.cdnv_sum,
                               s.cdnv_fourth_sum, s.gram_residual, s.coherence->value};
  };
  EXPECT_TRUE(same_bits(numbers(first), numbers(second)));
  EXPECT_TRUE(same_bits(first.nearest_distance, second.nearest_distance));
}

NCSCOPE_TEST_ON_DEVICES(PairReduceTest);

}  // namespace
}  // namespace ncscope::test
