#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/metrics/axis_statistics.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/measure.h"
#include "tests/support/random.h"

namespace ncscope::test {
namespace {

class Nc1Pinv : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Nc1Pinv);

TEST_P(Nc1Pinv, OfTwoClassesOnALine) {
  const ReportValues report =
      small_report(device(), small_samples(2, 1, {-3, -1, 1, 3}, {0, 0, 1, 1}));
  EXPECT_DOUBLE_EQ(*report.number("nc1.pinv"), 0.125);  // (1 / 4) / 2
  EXPECT_EQ(report.number("nc1.rank"), 1);
  EXPECT_DOUBLE_EQ(*report.number("nc1.condition"), 1);
  EXPECT_DOUBLE_EQ(*report.number("nc1.cutoff"), 2 * 0x1p-52 * 4);
  EXPECT_EQ(report.number("nc1.outside_span"), 0);
  EXPECT_TRUE(report.warnings().empty());
}

TEST_P(Nc1Pinv, SpreadOutsideTheSpanOfTheMeansDoesNotCount) {
  // Means (-1, 0) and (1, 0); deviations of 0.5 along x in one class and of 1.5 along y in the
  // other.
  const ReportValues report = small_report(
      device(), small_samples(2, 2, {-1.5, 0, -0.5, 0, 1, 1.5, 1, -1.5}, {0, 0, 1, 1}));
  EXPECT_DOUBLE_EQ(*report.number("nc1.pinv"), 0.125 / 2);
  EXPECT_DOUBLE_EQ(*report.number("nc1.outside_span"), 0.9);
}

TEST_P(Nc1Pinv, MoreClassesThanDimensions) {
  // Means -1, 0, 1: tr S_B = 2/3; within variance 0.25.
  const ReportValues report = small_report(
      device(), small_samples(3, 1, {-1.5, -0.5, 0.5, -0.5, 0.5, 1.5}, {0, 0, 1, 1, 2, 2}));
  EXPECT_DOUBLE_EQ(*report.number("nc1.pinv"), 0.25 / (2.0 / 3) / 3);
  EXPECT_EQ(report.number("nc1.rank"), 1);
  EXPECT_EQ(report.number("nc1.outside_span"), 0);
  EXPECT_TRUE(report.warnings().empty());
}

TEST_P(Nc1Pinv, CollinearMeansGiveTheirRankAndAWarningThatNamesIt) {
  // Means (-1, -1), (0, 0), (1, 1): one eigenvalue of S_B, 4/3, along (1, 1)/sqrt 2. Each class
  // deviates by 0.5 along x, so that 0.125 of tr S_W = 0.25 is within the span.
  const ReportValues report = small_report(
      device(), small_samples(3, 2, {-1.5, -1, -0.5, -1, -0.5, 0, 0.5, 0, 0.5, 1, 1.5, 1},
                              {0, 0, 1, 1, 2, 2}));
  EXPECT_NEAR(*report.number("nc1.pinv"), 0.125 / (4.0 / 3) / 3, 1e-15);
  EXPECT_EQ(report.number("nc1.rank"), 1);
  EXPECT_NEAR(*report.number("nc1.outside_span"), 0.5, 1e-15);
  EXPECT_NEAR(*report.number("nc1.condition"), 1, 1e-14);
  ASSERT_EQ(report.warnings().size(), 1u);
  EXPECT_EQ(report.warnings()[0].code, "rank_deficient");
  EXPECT_NE(report.warnings()[0].message.find("rank 1"), std::string::npos);
}

TEST_P(Nc1Pinv, CollinearMeansOfMoreClassesThanDimensions) {
  // Means k (1, 1, 0) for k = -2..2: eigenvalue 2 * (4+1+0+1+4)/5 = 4.
  std::vector<double> features;
  std::vector<int32_t> labels;
  for (int k = -2; k <= 2; ++k) {
    for (const double deviation : {-0.5, 0.5}) {
      features.insert(features.end(), {k + deviation, k + deviation, deviation});
      labels.push_back(k + 2);
    }
  }
  const ReportValues report = small_report(device(), small_samples(5, 3, features, labels));
  EXPECT_NEAR(*report.number("nc1.pinv"), 0.5 / 4 / 5, 1e-15);
  EXPECT_EQ(report.number("nc1.rank"), 1);
  EXPECT_NEAR(*report.number("nc1.outside_span"), 1.0 / 3, 1e-14);
  ASSERT_EQ(report.warnings().size(), 1u);
}

TEST_P(Nc1Pinv, OneClass) {
  const ReportValues report = small_report(device(), small_samples(1, 2, {1, 2, 3, 5}, {0, 0}));
  for (const char* path :
       {"nc1.pinv", "nc1.rank", "nc1.cutoff", "nc1.condition", "nc1.outside_span"}) {
    EXPECT_TRUE(undefined_because(report, path, "fewer than two classes"));
  }
}

TEST_P(Nc1Pinv, EqualMeansHaveRankZero) {
  const ReportValues report =
      small_report(device(), small_samples(2, 1, {-1, 1, -2, 2}, {0, 0, 1, 1}));
  EXPECT_EQ(report.number("nc1.rank"), 0);
  for (const char* path : {"nc1.pinv", "nc1.cutoff", "nc1.condition", "nc1.outside_span"}) {
    EXPECT_TRUE(undefined_because(report, path, "all class means are equal"));
  }
  ASSERT_EQ(report.warnings().size(), 1u);
  EXPECT_NE(report.warnings()[0].message.find("rank 0"), std::string::npos);
}

TEST_P(Nc1Pinv, SingletonsOnly) {
  const ReportValues report = small_report(device(), small_samples(3, 1, {1, 2, 4}, {0, 1, 2}));
  for (const char* path : {"nc1.pinv", "nc1.outside_span"}) {
    EXPECT_TRUE(undefined_because(report, path, "no within-class freedom"));
  }
  EXPECT_EQ(report.number("nc1.rank"), 1);
  EXPECT_TRUE(report.number("nc1.condition"));
}

// Those about these metrics.
std::vector<std::string> warning_codes(const ReportValues& report) {
  std::vector<std::string> codes;
  for (const auto& warning : report.warnings()) {
    if (warning.code != "vci_resolution") codes.push_back(warning.code);
  }
  return codes;
}

using Codes = std::vector<std::string>;
TEST_P(Nc1Pinv, SpreadAcrossTheMeansThatHidesWhatIsAlongIsMarked) {
  const auto codes = [&](double along, double epsilon) {
    return warning_codes(compute_report(
        device(), axis_statistics(2, {0, 0, 1, 0}, {along, 1}, epsilon), nullptr, nullptr, {}));
  };
  EXPECT_EQ(codes(1e-5, kFloat), Codes{});
  EXPECT_EQ(codes(1e-7, kFloat), Codes{"pinv_resolution"});
  EXPECT_EQ(codes(1e-7, kDouble), Codes{});
  Statistics negative = axis_statistics(2, {0, 0, 1, 1}, {1e-12, 1e-12}, kFloat);
  negative.scatter[1] = negative.scatter[2] = -1e-10;  // of rounding
  const ReportValues report = compute_report(device(), negative, nullptr, nullptr, {});
  EXPECT_FALSE(report.number("nc1.pinv"));
  EXPECT_TRUE(std::ranges::any_of(report.undefined(), [](const auto& undefined) {
    return undefined.metric == "nc1.pinv" && undefined.reason.find("resolve") != std::string::npos;
  }));
}

// A strong direction of the means carries the share of S_W in their span, a weak one nc1.pinv.
TEST_P(Nc1Pinv, AWeakDirectionOfTheMeansIsMarkedOnEveryRoute) {
  const double weak = 1e-5;
  const std::vector<double> few = {0, 0, 0, 1, 0, 0, 0.5, weak, 0};               // P - 1 <= d
  const std::vector<double> many = {0, 0, 1, 0, 0.5, weak, 0.2, -weak, -0.3, 0};  // Cholesky of S_B
  const std::vector<double> line = {0, 0, 0, 1, 0, weak, 0.5, 0, 0, 0.5, 0, weak};  // rank 2 of 3
  for (const double epsilon : {kFloat, kDouble}) {
    Codes expected;
    if (epsilon == kFloat) expected = {"pinv_resolution"};
    const auto codes = [&](const Statistics& s) {
      Codes found = warning_codes(compute_report(device(), s, nullptr, nullptr, {}));
      std::erase(found, "rank_deficient");
      return found;
    };
    EXPECT_EQ(codes(axis_statistics(3, few, {1e-2, 1e-12, 1e-2}, epsilon)), expected);
    EXPECT_EQ(codes(axis_statistics(2, many, {1e-2, 1e-12}, epsilon)), expected);
    EXPECT_EQ(codes(axis_statistics(3, line, {1e-2, 1e-2, 1e-12}, epsilon)), expected);
  }
}

// The only sample of its class in the first tile is of another one: its float32 products are about
// a point far away.
TEST_P(Nc1Pinv, AReferenceFarFromItsClassIsMarked) {
  const size_t d = 8;
  Random random(1);
  std::vector<double> values;
  std::vector<int32_t> labels;
  for (size_t i = 0; i < kTileRows + 20000; ++i) {
    labels.push_back(i + 1 < kTileRows ? 0 : 1);
    const bool first_kind = i < kTileRows;  // the last of the tile is labelled wrongly
    for (size_t j = 0; j < d; ++j) {
      values.push_back((first_kind ? 1.0 : -1.0) * (j % 2 == 0 ? 1 : 0.5) + 1e-5 * random.normal());
    }
  }
  const auto codes = warning_codes(
      measure(device(), make_samples(DType::kFloat32, 2, d, values, labels), nullptr));
  EXPECT_NE(std::ranges::find(codes, "outside_span_resolution"), codes.end());
}

TEST_P(Nc1Pinv, RoundingOfFarMeansIsNoDirection) {
  // Means on a line through a point so far away that they are off it by their rounding.
  const double point[] = {0.731e9, -1.37e9, 0.411e9};
  const double places[] = {0, 1, 2.3, -1.7};
  std::vector<double> values;
  std::vector<int32_t> labels;
  for (int c = 0; c < 4; ++c) {
    for (const double deviation : {-0.25, 0.25}) {
      for (int j = 0; j < 3; ++j) values.push_back(point[j] + (places[c] + deviation) * (j + 0.3));
      labels.push_back(c);
    }
  }
  const ReportValues report = small_report(device(), small_samples(4, 3, values, labels));
  EXPECT_EQ(report.number("nc1.rank"), 1);
  EXPECT_LT(*report.number("nc1.pinv"), 1);
}

TEST_P(Nc1Pinv, FarMeansThatDifferByMoreThanTheirRoundingKeepTheirRank) {
  const size_t classes = 64;
  std::vector<double> means(classes * classes, 1e6);
  for (size_t c = 0; c < classes; ++c) means[c * classes + c] += 1.5e-7;
  const auto near = axis_statistics(classes, means, std::vector<double>(classes, 1e-16), kDouble);
  EXPECT_EQ(compute_report(device(), near, nullptr, nullptr, {}).number("nc1.rank"), 63);
  // And where they do not, nothing is 0 that is not known.
  for (size_t c = 0; c < classes; ++c) means[c * classes + c] = 1e6 + 2e-9 * (c % 2 ? 1 : 0);
  const auto equal = axis_statistics(classes, means, std::vector<double>(classes, 1e-16), kDouble);
  const ReportValues report = compute_report(device(), equal, nullptr, nullptr, {});
  EXPECT_EQ(report.number("nc1.rank"), 0);
  EXPECT_FALSE(report.number("nc1.pinv") || report.number("nc1.condition"));
}

TEST_P(Nc1Pinv, MeansWhoseSquaresUnderflowAreNotCalledEqual) {
  std::vector<double> values;
  for (const double x : {1, 2, 5, 6}) values.push_back(x * 1e-100);
  const ReportValues report = small_report(device(), small_samples(2, 1, values, {0, 0, 1, 1}));
  EXPECT_FALSE(report.number("nc1.pinv"));
  bool said = false;
  for (const auto& undefined : report.undefined()) {
    said |= undefined.metric == "nc1.pinv" && undefined.reason.find("2^-220") != std::string::npos;
  }
  EXPECT_TRUE(said);
}

}  // namespace
}  // namespace ncscope::test
