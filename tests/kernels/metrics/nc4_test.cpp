#include <gtest/gtest.h>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

using Source = DecisionCounts::Source;

class Nc4 : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Nc4);

Statistics two_classes() {
  return oracle_statistics(small_samples(3, 1, {0, 1, 5, 6}, {0, 0, 2, 2}));
}

DecisionCounts counts(Source source, uint32_t centers) {
  return {source, centers, {4, 0, 6}, {3, 0, 6}, {4, 0, 5}, {2, 0, 6}};
}

TEST_P(Nc4, SharesOfAllSamplesAndByClass) {
  const DecisionCounts decisions = counts(Source::kClassifier, 2);
  const ReportValues report = compute_report(device(), two_classes(), nullptr, &decisions, {});
  EXPECT_DOUBLE_EQ(*report.number("nc4.agreement"), 0.9);
  EXPECT_DOUBLE_EQ(*report.number("nc4.ncc_accuracy"), 0.9);
  EXPECT_DOUBLE_EQ(*report.number("nc4.classifier_accuracy"), 0.8);
  EXPECT_DOUBLE_EQ(*report.columns().at("agreement")[0], 0.75);
  EXPECT_DOUBLE_EQ(*report.columns().at("ncc_accuracy")[1], 5.0 / 6);
  EXPECT_DOUBLE_EQ(*report.columns().at("classifier_accuracy")[0], 0.5);
}

TEST_P(Nc4, WithoutDecisionsOfAClassifier) {
  const DecisionCounts decisions = counts(Source::kNone, 2);
  const ReportValues report = compute_report(device(), two_classes(), nullptr, &decisions, {});
  for (const char* path : {"nc4.agreement", "nc4.classifier_accuracy"}) {
    EXPECT_TRUE(undefined_because(report, path, "neither a classifier nor predictions"));
  }
  EXPECT_TRUE(report.number("nc4.ncc_accuracy"));
  EXPECT_FALSE(report.columns().contains("agreement"));
}

TEST_P(Nc4, WithoutASecondLook) {
  const ReportValues report = compute_report(device(), two_classes(), nullptr, nullptr, {});
  EXPECT_TRUE(undefined_because(report, "nc4.ncc_accuracy", "second time"));
  const DecisionCounts none{Source::kClassifier, 2, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
  EXPECT_TRUE(undefined_because(compute_report(device(), two_classes(), nullptr, &none, {}),
                                "nc4.agreement", "second time"));
}

TEST_P(Nc4, ASingleCenterDecidesNothing) {
  const DecisionCounts decisions = counts(Source::kPredictions, 1);
  const ReportValues report = compute_report(device(), two_classes(), nullptr, &decisions, {});
  for (const char* path : {"nc4.agreement", "nc4.ncc_accuracy"}) {
    EXPECT_TRUE(undefined_because(report, path, "fewer than two class centres"));
  }
  EXPECT_DOUBLE_EQ(*report.number("nc4.classifier_accuracy"), 0.8);
}

}  // namespace
}  // namespace ncscope::test
