#include <gtest/gtest.h>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

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

}  // namespace
}  // namespace ncscope::test
