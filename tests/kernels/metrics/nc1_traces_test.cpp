#include <gtest/gtest.h>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Nc1Traces : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Nc1Traces);

TEST_P(Nc1Traces, OfTwoClassesOnALine) {
  const ReportValues report =
      small_report(device(), small_samples(2, 1, {-3, -1, 1, 3}, {0, 0, 1, 1}));
  EXPECT_DOUBLE_EQ(*report.number("nc1.within_trace"), 1);
  EXPECT_DOUBLE_EQ(*report.number("nc1.between_trace"), 4);
  EXPECT_DOUBLE_EQ(*report.number("nc1.total_trace"), 5);
  EXPECT_DOUBLE_EQ(*report.number("nc1.quotient"), 0.25);
  // ||h||^2 is 5 on average.
  EXPECT_DOUBLE_EQ(*report.number("nc1.precision_floor"), 0x1p-104 * 5 / 12 / 4);
}

TEST_P(Nc1Traces, WeightingByCountIsTheCovarianceOfAllSamples) {
  const Samples samples = small_samples(2, 1, {0, 3, 4, 5}, {0, 1, 1, 1});
  const ReportValues by_count = small_report(device(), samples, nullptr, Weighting::kByCount);
  EXPECT_DOUBLE_EQ(*by_count.number("nc1.between_trace"), 3);  // (1/4) 3^2 + (3/4) 1^2
  EXPECT_DOUBLE_EQ(*by_count.number("nc1.total_trace"), 3.5);  // variance of 0, 3, 4, 5
  const ReportValues uniform = small_report(device(), samples);
  EXPECT_DOUBLE_EQ(*uniform.number("nc1.between_trace"), 4);
}

TEST_P(Nc1Traces, FullCollapseIsZeroNotUndefined) {
  const ReportValues report =
      small_report(device(), small_samples(2, 1, {1, 1, 3, 3}, {0, 0, 1, 1}));
  EXPECT_EQ(report.number("nc1.quotient"), 0);
  EXPECT_EQ(report.number("nc1.pinv"), 0);
  EXPECT_TRUE(undefined_because(report, "nc1.outside_span", "S_W is zero"));
}

TEST_P(Nc1Traces, OneClassHasNothingBetween) {
  const ReportValues report = small_report(device(), small_samples(3, 1, {1, 2}, {1, 1}));
  EXPECT_DOUBLE_EQ(*report.number("nc1.within_trace"), 0.25);
  for (const char* path :
       {"nc1.between_trace", "nc1.total_trace", "nc1.quotient", "nc1.precision_floor"}) {
    EXPECT_TRUE(undefined_because(report, path, "fewer than two classes"));
  }
}

TEST_P(Nc1Traces, SingletonsOnlyLeaveNoFreedomWithin) {
  const ReportValues report = small_report(device(), small_samples(3, 1, {1, 2, 4}, {0, 1, 2}));
  for (const char* path : {"nc1.within_trace", "nc1.total_trace", "nc1.quotient"}) {
    EXPECT_TRUE(undefined_because(report, path, "no within-class freedom"));
  }
  EXPECT_TRUE(report.number("nc1.between_trace"));
}

TEST_P(Nc1Traces, EqualMeansHaveNoQuotient) {
  // 0.1 + 0.2 and the like: means that are equal in exact arithmetic only.
  const ReportValues report = small_report(
      device(), small_samples(2, 1, {0.1, 0.2, 0.3, 0.3, 0.1, 0.2}, {0, 0, 0, 1, 1, 1}));
  EXPECT_TRUE(undefined_because(report, "nc1.quotient", "all class means are equal"));
  EXPECT_TRUE(undefined_because(report, "nc1.precision_floor", "all class means are equal"));
}

TEST_P(Nc1Traces, AllFeaturesEqual) {
  const ReportValues report =
      small_report(device(), small_samples(2, 2, std::vector<double>(8, 0.7), {0, 1, 0, 1}));
  EXPECT_EQ(report.number("nc1.within_trace"), 0);
  EXPECT_EQ(report.number("nc1.between_trace"), 0);
  EXPECT_TRUE(undefined_because(report, "nc1.quotient", "all class means are equal"));
}

}  // namespace
}  // namespace ncscope::test
