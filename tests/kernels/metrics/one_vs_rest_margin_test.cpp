#include "kernels/metrics/one_vs_rest_margin.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "kernels/metrics/hull_margin.h"
#include "tests/kernels/metrics/axis_statistics.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/oracle_margin.h"
#include "tests/support/random.h"

namespace ncscope::test {
namespace {

constexpr const char* kMargin = "nc2.means.one_vs_rest_margin";
constexpr const char* kGap = "nc2.means.one_vs_rest_margin_gap";
constexpr const char* kClass = "nc2.means.one_vs_rest_margin_class";

class OneVsRestMargin : public DeviceTest {
 protected:
  ReportValues of_means(size_t dim, const std::vector<double>& means,
                        const Classifier* classifier = nullptr, bool asked = true) {
    const Statistics s = axis_statistics(dim, means, std::vector<double>(dim, 0.25), 0);
    ReportOptions options;
    options.spectrum = Spectrum::kNone;
    options.one_vs_rest_margin = asked;
    return compute_report(device(), s, classifier, nullptr, options);
  }

  // [margin - gap, margin] holds the true one, and is short.
  void expect_margin(const ReportValues& report, double truth, double longest,
                     const std::string& group = "nc2.means") {
    const auto value = report.number(group + ".one_vs_rest_margin");
    const auto gap = report.number(group + ".one_vs_rest_margin_gap");
    ASSERT_TRUE(value && gap);
    EXPECT_GE(*value, truth * (1 - 2e-16));
    EXPECT_LE(*value - *gap, truth * (1 + 2e-16));
    EXPECT_LE(*gap, longest);
  }

  void expect_oracle(size_t dim, const std::vector<double>& means, double longest) {
    SCOPED_TRACE(std::to_string(means.size() / dim) + " x " + std::to_string(dim));
    const OracleMargin oracle = oracle_margin_centered(means, dim);
    ASSERT_LT(oracle.gap, 1e-13);
    const ReportValues report = of_means(dim, means);
    expect_margin(report, oracle.value, longest + oracle.gap);
    EXPECT_EQ(report.number(kClass), oracle.row);
  }
};
NCSCOPE_TEST_ON_DEVICES(OneVsRestMargin);

// The unit vectors of m axes, and `noise` on them.
std::vector<double> simplex_means(size_t m, size_t dim, double noise = 0) {
  std::vector<double> out = Random(m).normals(m * dim);
  for (double& x : out) x *= noise;
  for (size_t c = 0; c < m; ++c) out[c * dim + c] += 1;
  return out;
}

TEST_P(OneVsRestMargin, OfASimplex) {
  for (const size_t m : {2, 3, 4, 20, 150}) {
    SCOPED_TRACE(m);
    const ReportValues report = of_means(m + 3, simplex_means(m, m + 3));
    expect_margin(report, static_cast<double>(m) / static_cast<double>(m - 1), 1e-11);
  }
  EXPECT_EQ(of_means(5, simplex_means(2, 5)).number(kClass), 0);
}

TEST_P(OneVsRestMargin, OfPointsOnACircle) {
  for (const size_t m : {3, 10, 301}) {
    SCOPED_TRACE(m);
    std::vector<double> means;
    const double angle = 2 * std::numbers::pi / static_cast<double>(m);
    for (size_t c = 0; c < m; ++c) {
      means.push_back(std::cos(static_cast<double>(c) * angle));
      means.push_back(std::sin(static_cast<double>(c) * angle));
    }
    const double sine = std::sin(angle / 2);
    const double truth = m == 3 ? 1.5 : 2 * sine * sine;  // 1 - cos
    // The points are known to some 2^-53 only.
    const auto value = *of_means(2, means).number(kMargin);
    EXPECT_NEAR(value, truth, 2e-14);
    EXPECT_LT(*of_means(2, means).number(kGap), 2e-14);
  }
}

TEST_P(OneVsRestMargin, WhereAllClassesHaveTheSame) {
  // The vertices of a cube: the neighbours of one are the flat that it is 2 / d from.
  std::vector<double> cube;
  for (size_t c = 0; c < 256; ++c) {
    for (size_t j = 0; j < 8; ++j) cube.push_back((c >> j & 1) != 0 ? 3 : -3);
  }
  expect_margin(of_means(8, cube), 0.25, 1e-13);
  // Axes, both ways: the others' hull holds the origin, and nothing on this side of it.
  std::vector<double> axes(60 * 30, 0);
  for (size_t c = 0; c < 60; ++c) axes[c * 30 + c / 2] = c % 2 != 0 ? 5 : -5;
  expect_margin(of_means(30, axes), 1, 1e-13);
}

TEST_P(OneVsRestMargin, OfRandomMeans) {
  for (const auto& [m, dim] :
       {std::pair<size_t, size_t>{5, 3}, {9, 3}, {12, 6}, {12, 30}, {70, 5}, {60, 40}, {40, 60}}) {
    expect_oracle(dim, Random(m).normals(m * dim), 1e-12);
  }
}

TEST_P(OneVsRestMargin, NearASimplexOfManyClasses) {
  for (const double noise : {1e-3, 1e-2, 5e-2})
    expect_oracle(150, simplex_means(130, 150, noise), 1e-9);
}

TEST_P(OneVsRestMargin, WhereFewDirectionsDominate) {
  const size_t m = 130, dim = 140;
  std::vector<double> means = Random(5).normals(m * dim);
  for (size_t i = 0; i < means.size(); ++i) means[i] /= static_cast<double>(1 + i % dim);
  expect_oracle(dim, means, 1e-9);
  device().set_pair_budget(1);  // few steps together, then row by row
  expect_oracle(dim, means, 1e-9);
}

TEST_P(OneVsRestMargin, StatesTheGapThatIsLeftWhereWorkIsNotAffordable) {
  device().set_pair_budget(1);
  const std::vector<double> means = Random(8).normals(140 * 40);
  const ReportValues report = of_means(40, means);
  device().set_pair_budget(kPairBudget);
  const ReportValues full = of_means(40, means);
  EXPECT_LE(*report.number(kMargin) - *report.number(kGap), *full.number(kMargin));
  EXPECT_GE(*report.number(kMargin), *full.number(kMargin) - *full.number(kGap));
}

TEST_P(OneVsRestMargin, IsZeroWhereTwoHaveOneDirection) {
  const ReportValues report = of_means(3, {1, 2, 0, 4, 1, 1, 2, 4, 0, -7, -7, -1});
  EXPECT_EQ(report.number(kMargin), 0);
  EXPECT_EQ(report.number(kGap), 0);
  EXPECT_EQ(report.number(kClass), 0);
  EXPECT_EQ(of_means(1, {-4, 1, 3}).number(kMargin), 0);
  EXPECT_EQ(of_means(1, {-4, 1, 3}).number(kClass), 1);
}

TEST_P(OneVsRestMargin, IsSmallWhereTwoNearlyHave) {
  std::vector<double> means = Random(3).normals(6 * 4);
  for (size_t j = 0; j < 4; ++j) means[4 + j] = means[j] + 1e-5 * means[8 + j];
  const OracleMargin oracle = oracle_margin_centered(means, 4);
  EXPECT_LT(oracle.value, 1e-4);
  expect_margin(of_means(4, means), oracle.value, 1e-14);
}

TEST_P(OneVsRestMargin, OfTheClassifier) {
  const std::vector<double> weight = Random(4).normals(10 * 6);
  const Classifier classifier = small_classifier(6, weight);
  const ReportValues report = of_means(6, Random(9).normals(10 * 6), &classifier);
  const OracleMargin oracle = oracle_margin_centered(weight, 6);
  expect_margin(report, oracle.value, 1e-13, "nc2.classifier");
  EXPECT_EQ(report.number("nc2.classifier.one_vs_rest_margin_class"), oracle.row);
}

TEST_P(OneVsRestMargin, SameBitsTwice) {
  for (const size_t dim : {20, 140}) {
    const std::vector<double> means = Random(dim).normals(135 * dim);
    expect_same(of_means(dim, means), of_means(dim, means), 0);
  }
}

TEST_P(OneVsRestMargin, DoesNotDependOnScaleOrRotation) {
  const size_t dim = 12;
  std::vector<double> means = Random(6).normals(40 * dim);
  const ReportValues before = of_means(dim, means);
  const std::vector<double> axis = Random(7).normals(dim);
  double square = 0;
  for (const double x : axis) square += x * x;
  for (size_t c = 0; c < 40; ++c) {
    double along = 0;
    for (size_t j = 0; j < dim; ++j) along += means[c * dim + j] * axis[j];
    for (size_t j = 0; j < dim; ++j) means[c * dim + j] -= 2 * along / square * axis[j];
  }
  for (const double scale : {1e-3, 1.0, 1e50}) {
    std::vector<double> scaled = means;
    for (double& x : scaled) x *= scale;
    const ReportValues after = of_means(dim, scaled);
    EXPECT_NEAR(*after.number(kMargin), *before.number(kMargin), 1e-13);
    EXPECT_EQ(after.number(kClass), before.number(kClass));
  }
}

TEST_P(OneVsRestMargin, OnlyWhereItIsAskedFor) {
  const std::vector<double> means = {4, 1, -2, 4, 1, -2};
  const Classifier classifier = small_classifier(2, means);
  const ReportValues report = of_means(2, means, &classifier, false);
  for (const std::string group : {"nc2.means", "nc2.classifier"}) {
    for (const char* field : {"", "_gap", "_class"}) {
      const std::string path = group + ".one_vs_rest_margin" + field;
      EXPECT_FALSE(report.number(path)) << path;
      EXPECT_FALSE(report.reason(path)) << path;
    }
  }
}

TEST_P(OneVsRestMargin, IsUndefinedWithAReason) {
  EXPECT_TRUE(undefined_because(of_means(1, {-2, 0, 2}), kMargin, "class 1 is zero"));
  EXPECT_TRUE(undefined_because(of_means(2, {3, 4, 3, 4}), kGap, "all class means are equal"));
  EXPECT_TRUE(undefined_because(of_means(2, {3, 4}), kMargin, "fewer than two classes"));
  EXPECT_TRUE(undefined_because(of_means(2, {1, 2, 3, 5}), "nc2.classifier.one_vs_rest_margin",
                                "no classifier"));
  const Classifier equal = small_classifier(2, {1, 2, 1, 2});
  EXPECT_TRUE(undefined_because(of_means(2, {1, 2, 3, 5}, &equal),
                                "nc2.classifier.one_vs_rest_margin", "are equal"));
}

TEST_P(OneVsRestMargin, IsUndefinedForTooManyClasses) {
  metrics::EtfVectors vectors;
  vectors.group = "nc2.means";
  vectors.vectors = "centred mean";
  vectors.count = 20'001;
  ReportValues report;
  metrics::one_vs_rest_margin(device(), vectors, {}, {}, report);
  EXPECT_TRUE(undefined_because(report, kMargin, "20001 centred means, of 20000 at most"));
  EXPECT_TRUE(undefined_because(report, kClass, "20000 at most"));
}

}  // namespace
}  // namespace ncscope::test
