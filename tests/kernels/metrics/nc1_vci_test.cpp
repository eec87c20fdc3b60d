#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

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

bool marked(const ReportValues& values) {
  return std::ranges::any_of(values.warnings(), [](const Warning& warning) {
    return warning.code == "vci_resolution" &&
           warning.message.find("nc1.vci may be off by") != std::string::npos;
  });
}

double oracle_index(const Samples& samples) {
  return oracle_metrics(samples, nullptr, Weighting::kUniform).numbers["nc1.vci"];
}

// Feature 0 is 1 for even classes and -1 for odd ones, but for a share of `epsilon`.
Samples with_saturated_feature(const Layout& layout, double epsilon, DType type) {
  const Samples samples = lay_out(layout, DType::kFloat64);
  std::vector<double> values = samples.values;
  for (size_t i = 0; i < samples.rows(); ++i) {
    double& value = values[i * layout.dim];
    value = (samples.labels[i] % 2 == 0 ? 1 : -1) * (1 - epsilon * std::abs(value));
  }
  return make_samples(type, layout.counts.size(), layout.dim, values, samples.labels);
}
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

// One direction of the span that is far more collapsed than all others takes nothing from them.
TEST_P(Nc1Vci, BesideADirectionThatIsFarMoreCollapsed) {
  const Layout small = {"", 8, std::vector<size_t>(4, 50), 2};
  const Layout large = {"", 20, std::vector<size_t>(10, 30), 2};
  for (const Layout& layout : {small, large}) {
    for (const double epsilon : {1e-4, 1e-6, 1.6e-8, 1e-10}) {
      const Samples samples = with_saturated_feature(layout, epsilon, DType::kFloat64);
      const ReportValues values = measure(device(), samples, nullptr);
      EXPECT_NEAR(*values.number("nc1.vci") / oracle_index(samples), 1, 1e-8) << epsilon;
      EXPECT_FALSE(marked(values)) << epsilon;
    }
    // All but one sample are what they saturate at.
    Samples samples = with_saturated_feature(layout, 0, DType::kFloat32);
    std::vector<double> values = samples.values;
    values[0] *= 1 - 0x1p-24;
    samples =
        make_samples(DType::kFloat32, samples.num_classes, samples.dim, values, samples.labels);
    const double got = *measure(device(), samples, nullptr).number("nc1.vci");
    EXPECT_NEAR(got / oracle_index(samples), 1, 1e-6);
  }
}

// Several scales at once, the directions of none of them along an axis of the classes.
TEST_P(Nc1Vci, OfManyScalesAtOnce) {
  Samples samples = lay_out({"", 12, std::vector<size_t>(9, 40), 1}, DType::kFloat64);
  std::vector<double> values = samples.values;
  for (size_t i = 0; i < samples.rows(); ++i) {
    const auto c = static_cast<size_t>(samples.labels[i]);
    const double means[] = {c % 2 == 0 ? 1.0 : -1.0, c % 3 == 0 ? 1.0 : -0.5, c < 4 ? 1.0 : -0.7};
    const double spreads[] = {1e-8, 1e-5, 1e-2};
    for (size_t j = 0; j < 3; ++j) {
      double& value = values[i * samples.dim + j];
      value = means[j] + spreads[j] * value;
    }
  }
  samples = make_samples(DType::kFloat64, 9, 12, values, samples.labels);
  const double got = *measure(device(), samples, nullptr).number("nc1.vci");
  EXPECT_NEAR(got / oracle_index(samples), 1, 1e-8);
}

TEST_P(Nc1Vci, BesideADirectionThatIsFarMoreCollapsedWhereTheScatterIsSingular) {
  // Every direction of the span is one in which nothing varies.
  const Samples few =
      with_saturated_feature({"", 16, std::vector<size_t>(4, 3), 2}, 1e-8, DType::kFloat64);
  EXPECT_NEAR(index(accumulate_rows(device(), few, 0, few.rows())), 0, 1e-12);
  // None is: two features are one.
  for (const double epsilon : {1e-4, 1e-6, 1.6e-8}) {
    Samples samples =
        with_saturated_feature({"", 16, std::vector<size_t>(4, 50), 2}, epsilon, DType::kFloat64);
    std::vector<double> values = samples.values;
    for (size_t i = 0; i < samples.rows(); ++i) values[i * 16 + 5] = values[i * 16 + 4];
    samples = make_samples(DType::kFloat64, 4, 16, values, samples.labels);
    const double got = *measure(device(), samples, nullptr).number("nc1.vci");
    EXPECT_NEAR(got / oracle_index(samples), 1, 1e-8) << epsilon;
  }
}

// The features of a row sum up to a constant but for their rounding, as after a normalised layer
// with a bias: what of the sum is spread and what is means float32 products do not tell.
TEST_P(Nc1Vci, FeaturesThatDependOnEachOtherButForRounding) {
  constexpr size_t kDim = 8;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (const double offset : {10.0, 100.0, 300.0}) {
      const Samples normal = lay_out({.name = "",
                                      .dim = kDim,
                                      .counts = std::vector<size_t>(4, 40),
                                      .spread = 1,
                                      .seed = seed},
                                     DType::kFloat64);
      std::vector<double> values = normal.values;
      for (size_t i = 0; i < normal.rows(); ++i) {
        const std::span<double> row(values.data() + i * kDim, kDim);
        const double mean = std::accumulate(row.begin(), row.end(), 0.0) / kDim;
        double square = 0;
        for (double& value : row) square += (value - mean) * (value - mean) / kDim;
        for (size_t j = 0; j < kDim; ++j) {
          const auto bias = static_cast<float>(offset * std::sin(7.0 * static_cast<double>(j) + 1));
          row[j] = static_cast<float>((row[j] - mean) / std::sqrt(square)) + bias;
        }
      }
      const Samples samples = make_samples(DType::kFloat32, 4, kDim, values, normal.labels);
      const double want = oracle_index(samples);
      const ReportValues got = measure(device(), samples, nullptr);
      if (!marked(got)) {
        EXPECT_NEAR(*got.number("nc1.vci") / want, 1, 1.0 / 16) << seed << " " << offset;
      }
      const Samples exact = make_samples(DType::kFloat64, 4, kDim, samples.values, normal.labels);
      EXPECT_NEAR(*measure(device(), exact, nullptr).number("nc1.vci") / want, 1, 1e-3)
          << seed << " " << offset;
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
  for (const double along : {1e-4, 1e-9}) {
    for (const double epsilon : {kFloat, kDouble}) {
      const bool expected = along < 1e-6 && epsilon == kFloat;
      EXPECT_EQ(marked(report(axis_statistics(2, two, {along, 1}, epsilon))), expected) << along;
      EXPECT_EQ(marked(report(axis_statistics(2, many, {1, along}, epsilon))), expected) << along;
      EXPECT_EQ(marked(report(axis_statistics(3, line, {along, 1, 1}, epsilon))), expected)
          << along;
    }
  }
}

}  // namespace
}  // namespace ncscope::test
