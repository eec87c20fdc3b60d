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

  // Means and m2 near the expected ones: relative to them, and to values of size 1.
  static void expect_moments(const Moments& got, const Moments& expected, double relative,
                             const char* name) {
    const auto count = static_cast<double>(expected.count);
    EXPECT_EQ(got.count, expected.count) << name;
    EXPECT_NEAR(got.mean, expected.mean, relative * std::fabs(expected.mean) + 1e-14) << name;
    EXPECT_NEAR(got.m2, expected.m2, relative * expected.m2 + 1e-26 * count) << name;
  }

  static void expect_units(const PairSums& got, const PairSums& expected, double relative) {
    expect_moments(got.unit_distance, expected.unit_distance, relative, "distance");
    expect_moments(got.unit_log, expected.unit_log, relative, "log");
    expect_moments(got.unit_riesz, expected.unit_riesz, relative, "riesz");
    ASSERT_EQ(got.aligned.has_value(), expected.aligned.has_value());
    if (!got.aligned) return;
    EXPECT_EQ(got.aligned->first, expected.aligned->first);
    EXPECT_EQ(got.aligned->second, expected.aligned->second);
    EXPECT_NEAR(got.aligned->value, expected.aligned->value, 1e-14);
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
    expect_units(got, expected, tolerance::kPairs);
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
  for (const auto& [p, d] :
       {Case{2, 1}, {3, 2}, {17, 5}, {33, 130}, {5, 2101}, {600, 3}, {1100, 4}}) {
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
    if (spread < 1e-6) continue;  // the oracle knows angles to 2^-64
    expect_units(got, expected, tolerance::kPairs);
    expect_units(same, expected, tolerance::kPairs);
  }
}

TEST_P(PairReduceTest, NearlyParallelRowsOfAnyLengthKeepTheirAngles) {
  const size_t p = 60;
  const size_t d = 7;
  for (const double spread : {1e-1, 1e-3, 1e-6}) {
    SCOPED_TRACE(spread);
    Random random(8);
    std::vector<double> rows;
    for (size_t c = 0; c < p; ++c) {
      const double length = std::exp2(20 * random.uniform() - 10);
      for (size_t j = 0; j < d; ++j) {
        rows.push_back(length * (1 + 0.1 * static_cast<double>(j) + spread * random.normal()));
      }
    }
    const Both result = both(rows, p, d, {}, {}, 0);
    // An angle of two rows is known to eps.
    const double relative = 1e-12 + 1e-14 / spread;
    for (const PairSums& got : {result.got, result.from_products}) {
      EXPECT_LE(relative_error({got.unit_distance.mean, got.unit_log.mean, got.unit_riesz.mean},
                               {result.expected.unit_distance.mean, result.expected.unit_log.mean,
                                result.expected.unit_riesz.mean}),
                relative);
      expect_units(got, result.expected, relative);
    }
  }
}

TEST_P(PairReduceTest, RowsOfOneDirectionAreNamedAndHaveADistance) {
  const size_t p = 700;
  Random random(9);
  std::vector<double> rows = random.normals(p * 4);
  for (size_t j = 0; j < 4; ++j) {
    rows[600 * 4 + j] = 3 * rows[5 * 4 + j];
    rows[40 * 4 + j] = 0.7 * rows[9 * 4 + j];
    rows[300 * 4 + j] = -2 * rows[5 * 4 + j];
  }
  const Both result = both(rows, p, 4, positive_numbers(p, 3), {}, 1);
  expect_match(result);
  EXPECT_EQ(result.got.aligned->first, 5u);
  EXPECT_EQ(result.got.aligned->second, 600u);
  EXPECT_EQ(result.got.unit_distance.count, p * (p - 1) / 2);
  EXPECT_EQ(result.got.unit_log.count, p * (p - 1) / 2 - 2);
  EXPECT_FALSE(result.got.equal.has_value());
}

TEST_P(PairReduceTest, RowsWhoseDirectionIsNotResolvedAreAligned) {
  const std::vector<double> rows = {1, 0, 0, 1, 1e-3, 0, 0, 1, 0};
  EXPECT_FALSE(both(rows, 3, 3, {}, {4e-4, 4e-4, 0}, 0).got.aligned.has_value());
  const Both together = both(rows, 3, 3, {}, {6e-4, 6e-4, 0}, 0);
  expect_units(together.got, together.expected, tolerance::kPairs);
  EXPECT_TRUE(together.got.aligned.has_value());
}

TEST_P(PairReduceTest, ARieszKernelThatOverflowsIsNotFinite) {
  const size_t p = 20;
  const size_t d = 600;
  Random random(10);
  std::vector<double> rows = random.normals(p * d);
  for (size_t j = 0; j < d; ++j) rows[7 * d + j] = rows[3 * d + j] + 1e-3 * rows[4 * d + j];
  const Both result = both(rows, p, d, {}, {}, 0);
  EXPECT_FALSE(std::isfinite(result.got.unit_riesz.mean));
  EXPECT_FALSE(std::isfinite(result.got.unit_riesz.m2));
  EXPECT_FALSE(result.got.aligned.has_value());
  expect_moments(result.got.unit_log, result.expected.unit_log, tolerance::kPairs, "log");
}

TEST_P(PairReduceTest, EqualAnglesHaveNoSpread) {
  // A simplex of 40 rows in 40 dimensions, of unequal lengths: D^2 = 2 * 40/39 for every pair.
  const size_t p = 40;
  std::vector<double> rows(p * p);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = ((i / p == i % p) - 1.0 / p) * (1 + static_cast<double>(i / p));
  }
  const Both result = both(rows, p, p, {}, {}, 0);
  const double square = 2.0 * p / (p - 1);
  EXPECT_NEAR(result.got.unit_distance.mean, std::sqrt(square), 1e-14);
  EXPECT_LT(result.got.unit_distance.variance(), 1e-29);
  EXPECT_NEAR(result.got.unit_log.mean, -std::log(square) / 2, 1e-14);
  EXPECT_LT(result.got.unit_log.variance(), 1e-29);
  EXPECT_NEAR(result.got.unit_riesz.mean, 1, 1e-13);
  EXPECT_LT(result.got.unit_riesz.variance(), 1e-26);
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
  std::vector<double> norms(p);
  for (size_t i = 0; i < rows.size(); ++i) norms[i / 6] += rows[i] * rows[i];
  const DeviceMatrix device_rows = upload(rows, p, 6);
  PairInput input;
  input.rows = device_rows;
  input.squared_norms = norms;
  input.within_variances = variances;
  input.etf_scale = 2;
  const PairSums first = device().pair_reduce(input);
  const PairSums second = device().pair_reduce(input);
  const auto numbers = [](const PairSums& s) {
    return std::vector<double>{s.cosine.mean,      s.cosine.m2,          s.max_angle_sum,
                               s.cdnv_sum,         s.cdnv_fourth_sum,    s.gram_residual,
                               s.coherence->value, s.unit_distance.mean, s.unit_distance.m2,
                               s.unit_log.mean,    s.unit_log.m2,        s.unit_riesz.mean,
                               s.unit_riesz.m2};
  };
  EXPECT_TRUE(same_bits(numbers(first), numbers(second)));
  EXPECT_TRUE(same_bits(first.nearest_distance, second.nearest_distance));
}

NCSCOPE_TEST_ON_DEVICES(PairReduceTest);

}  // namespace
}  // namespace ncscope::test
