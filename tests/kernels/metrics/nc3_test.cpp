#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Nc3 : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Nc3);

const std::vector<const char*> kBetween = {"nc3.distance",    "nc3.structure_error",
                                           "nc3.cosine_mean", "nc3.cosine_std",
                                           "nc3.cosine_min",  "nc3.uniform_duality"};

// Means (-2, 1) and (2, -1) of classes 0 and 2 of three.
Samples two_of_three() { return small_samples(3, 2, {-3, 1, -1, 1, 2, -2, 2, 0}, {0, 0, 2, 2}); }

TEST_P(Nc3, AClassifierOfScaledMeansIsDual) {
  const Classifier classifier = small_classifier(2, {-4, 2, 9, 9, 4, -2}, {0, 5, 0});
  const ReportValues report = small_report(device(), two_of_three(), &classifier);
  EXPECT_NEAR(*report.number("nc3.distance"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc3.structure_error"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc3.cosine_mean"), 1, 1e-15);
  EXPECT_NEAR(*report.number("nc3.cosine_std"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc3.cosine_min"), 1, 1e-15);
  EXPECT_NEAR(*report.number("nc3.uniform_duality"), 0, 1e-14);
  EXPECT_NEAR(*report.number("nc3.bias_collapse"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc3.nc0"), std::hypot(9.0, 9.0) / 3, 1e-15);  // all rows of W
}

TEST_P(Nc3, AClassifierAgainstTheMeansIsAsFarAsCanBe) {
  const Classifier classifier = small_classifier(2, {2, -1, 0, 0, -2, 1});
  const ReportValues report = small_report(device(), two_of_three(), &classifier);
  EXPECT_NEAR(*report.number("nc3.distance"), 2, 1e-15);
  EXPECT_NEAR(*report.number("nc3.structure_error"), 2, 1e-15);
  EXPECT_NEAR(*report.number("nc3.cosine_min"), -1, 1e-15);
}

TEST_P(Nc3, BiasIsOfPresentClassesAndAddsToTheScores) {
  // mu_G = (3, 4): W mu_G = (3, 4), plus the bias.
  const Samples samples = small_samples(3, 2, {2, 4, 4, 4, 2, 4, 4, 4}, {0, 1, 0, 1});
  const Classifier classifier = small_classifier(2, {1, 0, 0, 1, 7, 7}, {3, 4, 100});
  const ReportValues report = small_report(device(), samples, &classifier);
  EXPECT_NEAR(*report.number("nc3.bias_collapse"), 10, 1e-14);
}

TEST_P(Nc3, AbsentWithoutAClassifier) {
  const ReportValues report = small_report(device(), two_of_three());
  for (const char* path : kBetween) {
    EXPECT_TRUE(undefined_because(report, path, "no classifier was given"));
  }
  EXPECT_TRUE(undefined_because(report, "nc3.nc0", "no classifier was given"));
}

TEST_P(Nc3, AZeroRowHasNoDirection) {
  const Classifier classifier = small_classifier(2, {1, 0, 1, 1, 0, 0});
  const ReportValues report = small_report(device(), two_of_three(), &classifier);
  for (const char* path : {"nc3.cosine_mean", "nc3.cosine_std", "nc3.cosine_min"}) {
    EXPECT_TRUE(undefined_because(report, path, "class 2 is zero"));
  }
  EXPECT_TRUE(report.number("nc3.distance"));
}

TEST_P(Nc3, AZeroClassifier) {
  const Classifier classifier = small_classifier(2, {0, 0, 1, 1, 0, 0});
  const ReportValues report = small_report(device(), two_of_three(), &classifier);
  EXPECT_TRUE(undefined_because(report, "nc3.distance", "present classes are zero"));
  EXPECT_TRUE(undefined_because(report, "nc3.structure_error", "present classes are zero"));
}

TEST_P(Nc3, AClassifierOrthogonalToTheMeansHasNoStructure) {
  const Classifier classifier = small_classifier(2, {1, 2, 0, 0, 2, 4});
  const ReportValues report = small_report(device(), two_of_three(), &classifier);
  EXPECT_TRUE(undefined_because(report, "nc3.structure_error", "W M^T is zero"));
  EXPECT_NEAR(*report.number("nc3.cosine_mean"), 0, 1e-15);
}

TEST_P(Nc3, OneClassAndEqualMeans) {
  const Classifier classifier = small_classifier(1, {1, 2});
  const ReportValues one = small_report(device(), small_samples(2, 1, {3, 5}, {1, 1}), &classifier);
  const ReportValues equal =
      small_report(device(), small_samples(2, 1, {3, 5, 4, 4}, {0, 0, 1, 1}), &classifier);
  for (const char* path : kBetween) {
    EXPECT_TRUE(undefined_because(one, path, "fewer than two classes"));
    EXPECT_TRUE(undefined_because(equal, path, "all class means are equal"));
  }
  EXPECT_DOUBLE_EQ(*one.number("nc3.bias_collapse"), 8);
  EXPECT_DOUBLE_EQ(*one.number("nc3.nc0"), 1.5);
}

}  // namespace
}  // namespace ncscope::test
