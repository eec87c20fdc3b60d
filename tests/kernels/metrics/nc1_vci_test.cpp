#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/report.h"
#include "tests/kernels/metrics/axis_statistics.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/layouts.h"
#include "tests/support/measure.h"

namespace ncscope::test {
namespace {

class Nc1Vci : public DeviceTest {
 protected:
  ReportValues report(const Statistics& statistics) {
    return compute_report(device(), statistics, nullptr, nullptr, {});
  }
  double index(const Statistics& statistics) { return *report(statistics).number("nc1.vci"); }
};
NCSCOPE_TEST_ON_DEVICES(Nc1Vci);

TEST_P(Nc1Vci, AlongOneAxis) {
  // S_B = diag(1, 0).
  for (const double a : {3.0, 1e-2, 1e-8, 1e-20}) {
    const double got = index(axis_statistics(2, {0, 0, 2, 0}, {a, 0.5}, kDouble));
    EXPECT_NEAR(got / (a / (1 + a)), 1, 1e-12) << a;
  }
}

TEST_P(Nc1Vci, OfFullRank) {
  // S_B = diag(0.5, 2).
  const std::vector<double> means = {1, 0, -1, 0, 0, 2, 0, -2};
  for (const double a : {3.0, 1e-2, 1e-20}) {
    const double got = index(axis_statistics(2, means, {a, 0.5 * a}, kDouble));
    const double want = (a / (a + 0.5) + 0.5 * a / (0.5 * a + 2)) / 2;
    EXPECT_NEAR(got / want, 1, 1e-12) << a;
  }
}

TEST_P(Nc1Vci, OfLowerRankThanTheClassesAllow) {
  // Means k (1, 0, 0) for k = -2..2: S_B = diag(2, 0, 0).
  std::vector<double> means;
  for (int k = -2; k <= 2; ++k) means.insert(means.end(), {static_cast<double>(k), 0, 0});
  EXPECT_NEAR(index(axis_statistics(3, means, {0.5, 1, 1}, kDouble)), 0.2, 1e-14);
}

// What S_W has in common with directions outside the span explains part of it: with
// S_W = (2 1; 1 1) and S_B = diag(1, 0), 2 - 1 / 1 = 1 is left.
TEST_P(Nc1Vci, SpreadThatIsSharedWithOtherDirectionsDoesNotCount) {
  Statistics s = axis_statistics(2, {0, 0, 2, 0}, {2, 1}, kDouble);
  s.scatter[1] = s.scatter[2] = static_cast<double>(s.samples);
  EXPECT_NEAR(index(s), 0.5, 1e-14);
  // Singular, and all of it shared: 1 - 1 / 1.
  s.scatter[0] = static_cast<double>(s.samples);
  EXPECT_NEAR(index(s), 0, 1e-14);
}

TEST_P(Nc1Vci, FeaturesThatNeverVaryCountNothing) {
  EXPECT_NEAR(index(axis_statistics(3, {0, 0, 0, 2, 0, 0}, {1, 0, 3}, kDouble)), 0.5, 1e-14);
  // The means differ where nothing varies.
  EXPECT_NEAR(index(axis_statistics(2, {0, 0, 2, 0}, {0, 1}, kDouble)), 0, 1e-14);
}

TEST_P(Nc1Vci, PerfectCollapse) {
  EXPECT_EQ(index(axis_statistics(2, {0, 0, 2, 0}, {0, 0}, kDouble)), 0);
  Statistics s = axis_statistics(2, {0, 0, 2, 0}, {0, 0}, kDouble);
  s.within = {1e-300, 0};  // of rounding
  EXPECT_EQ(index(s), 0);
}

// The means differ where nothing varies, in one of several directions, beside features of any
// scale: that direction is taken out, and spoils no other.
TEST_P(Nc1Vci, DirectionsWithoutSpreadAreTakenOut) {
  for (const DType type : {DType::kFloat64, DType::kFloat32}) {
    for (const double scale : {1.0, 0.3, 1e-2, 1e-6}) {
      for (const double constant : {1.0, 1e-3}) {
        Samples samples = lay_out({"", 10, std::vector<size_t>(6, 50), 1}, type);
        for (size_t i = 0; i < samples.rows(); ++i) {
          double* const row = samples.values.data() + i * samples.dim;
          row[0] = constant * (samples.labels[i] % 4);  // exact in both types where constant is 1
          row[1] *= scale;
          row[2] = 7;  // says nothing
        }
        samples = make_samples(type, 6, 10, samples.values, samples.labels);
        const double want =
            oracle_metrics(samples, nullptr, Weighting::kUniform).numbers["nc1.vci"];
        const double got = *measure(device(), samples, nullptr).number("nc1.vci");
        const double tolerance = type == DType::kFloat64 ? 1e-9 : 1e-5;
        EXPECT_NEAR(got / want, 1, tolerance) << scale << " " << constant;
      }
    }
  }
}

// Fewer samples than dimensions: S_W is singular, its null directions lie anywhere.
TEST_P(Nc1Vci, FewSamplesInManyDimensions) {
  for (const DType type : {DType::kFloat64, DType::kFloat32}) {
    for (const size_t per_class : {2u, 3u}) {
      const Samples samples = lay_out({"", 30, std::vector<size_t>(14, per_class), 1}, type);
      const double want = oracle_metrics(samples, nullptr, Weighting::kUniform).numbers["nc1.vci"];
      const double got = *measure(device(), samples, nullptr).number("nc1.vci");
      EXPECT_NEAR(got, want, (type == DType::kFloat64 ? 1e-9 : 1e-5) * std::max(want, 1e-3));
    }
  }
}

// Rounding of products may leave a negative index: that is no collapse.
TEST_P(Nc1Vci, BelowWhatProductsResolve) {
  // S_B = diag(1e-6, 1e-12), S_W = (1 c; c c^2) but for its rounding.
  const double c = 1e-4;
  Statistics s = axis_statistics(2,
                                 {1e-3 * std::sqrt(2), 0, -1e-3 * std::sqrt(2), 0, 0,
                                  1e-6 * std::sqrt(2), 0, -1e-6 * std::sqrt(2)},
                                 {1, c * c}, kFloat);
  const auto n = static_cast<double>(s.samples);
  s.scatter[1] = s.scatter[2] = n * (c + 3e-9);
  EXPECT_TRUE(undefined_because(report(s), "nc1.vci", "below what its products resolve"));
}

TEST_P(Nc1Vci, SaysWhatIsMissing) {
  const auto why = [&](const Samples& samples, const char* words) {
    EXPECT_TRUE(undefined_because(small_report(device(), samples), "nc1.vci", words));
  };
  why(small_samples(1, 2, {1, 2, 3, 5}, {0, 0}), "fewer than two classes");
  why(small_samples(2, 1, {-1, 1, -2, 2}, {0, 0, 1, 1}), "all class means are equal");
  why(small_samples(3, 1, {1, 2, 4}, {0, 1, 2}), "no within-class freedom");
}

// Spread across the span whose rounding hides what is along it, on every route.
TEST_P(Nc1Vci, RoundingThatHidesTheIndexIsMarked) {
  const std::vector<double> two = {0, 0, 1, 0};
  const std::vector<double> many = {1, 0, -1, 0, 0, 2e-4, 0, -2e-4};
  const std::vector<double> line = {0, 0, 0, 1, 0, 0, 0.5, 0, 0, 0.3, 0, 0};
  const auto marked = [&](const Statistics& statistics) {
    const ReportValues values = report(statistics);
    return std::ranges::any_of(values.warnings(), [](const Warning& warning) {
      return warning.code == "vci_resolution" &&
             warning.message.find("nc1.vci may be off by") != std::string::npos;
    });
  };
  for (const double along : {1e-4, 1e-9}) {
    for (const double epsilon : {kFloat, kDouble}) {
      const bool expected = along < 1e-6 && epsilon == kFloat;
      EXPECT_EQ(marked(axis_statistics(2, two, {along, 1}, epsilon)), expected) << along;
      EXPECT_EQ(marked(axis_statistics(2, many, {1, along}, epsilon)), expected) << along;
      EXPECT_EQ(marked(axis_statistics(3, line, {along, 1, 1}, epsilon)), expected) << along;
    }
  }
}

}  // namespace
}  // namespace ncscope::test
