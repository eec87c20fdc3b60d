#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Nc2Classifier : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Nc2Classifier);

// Two classes of `num_classes` in two dimensions.
Samples two_present(size_t num_classes) {
  return small_samples(num_classes, 2, {0, 0, 1, 0, 3, 1, 4, 1}, {0, 0, 1, 1});
}

TEST_P(Nc2Classifier, RowsOfAbsentClassesCount) {
  // A triangle about (1, 1): its corners are a simplex once centred, though class 2 is absent.
  const double h = std::sqrt(0.75);
  const Classifier classifier = small_classifier(2, {2, 1, 0.5, 1 + h, 0.5, 1 - h});
  const ReportValues report = small_report(device(), two_present(3), &classifier);
  EXPECT_NEAR(*report.number("nc2.classifier.equinorm"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc2.classifier.etf_error"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc2.classifier.coherence"), -0.5, 1e-15);
  EXPECT_GT(*report.number("nc2.classifier.equinorm_raw"), 0.1);
}

TEST_P(Nc2Classifier, OfThreeRowsOnALine) {
  const Classifier classifier = small_classifier(2, {0, 5, 1, 5, 5, 5});  // centred: -2, -1, 3
  const ReportValues report = small_report(device(), two_present(3), &classifier);
  EXPECT_NEAR(*report.number("nc2.classifier.equinorm"), std::sqrt(2.0 / 3) / 2, 1e-15);
  EXPECT_NEAR(*report.number("nc2.classifier.coherence"), 1, 1e-15);
  EXPECT_EQ(report.pairs().at("nc2.classifier.coherence_pair"), std::pair(0u, 1u));
  EXPECT_NEAR(*report.number("nc2.classifier.max_angle"), (1.5 + 0.5 + 0.5) / 3, 1e-15);
}

TEST_P(Nc2Classifier, Absent) {
  EXPECT_TRUE(undefined_because(small_report(device(), two_present(2)), "nc2.classifier.etf_error",
                                "no classifier was given"));
}

TEST_P(Nc2Classifier, EqualRows) {
  const Classifier classifier = small_classifier(2, {0.1, 0.7, 0.1, 0.7});
  const ReportValues report = small_report(device(), two_present(2), &classifier);
  EXPECT_TRUE(undefined_because(report, "nc2.classifier.etf_error", "all rows"));
  EXPECT_EQ(report.number("nc2.classifier.equinorm_raw"), 0);
}

TEST_P(Nc2Classifier, ARowAtTheMeanHasNoDirection) {
  const Classifier classifier = small_classifier(2, {-1, 3, 1, 3, 0, 3});
  const ReportValues report = small_report(device(), two_present(3), &classifier);
  EXPECT_TRUE(undefined_because(report, "nc2.classifier.coherence", "class 2 is zero"));
  EXPECT_TRUE(report.number("nc2.classifier.etf_error"));
}

TEST_P(Nc2Classifier, OneRow) {
  const Classifier classifier = small_classifier(2, {1, 2});
  const ReportValues report =
      small_report(device(), small_samples(1, 2, {1, 2, 3, 4}, {0, 0}), &classifier);
  EXPECT_TRUE(undefined_because(report, "nc2.classifier.etf_error", "fewer than two rows"));
}

}  // namespace
}  // namespace ncscope::test
