#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/report.h"
#include "tests/kernels/metrics/axis_statistics.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

constexpr double kFloat = 0x1p-23, kDouble = 0x1p-52;

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
  const std::vector<double> many = {1, 0, -1, 0, 0, 2e-3, 0, -2e-3};
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
      EXPECT_EQ(marked(axis_statistics(2, many, {1e-4 * along, 1e-4 * along}, epsilon)), false);
      EXPECT_EQ(marked(axis_statistics(3, line, {along, 1, 1}, epsilon)), expected) << along;
    }
  }
}

}  // namespace
}  // namespace ncscope::test
