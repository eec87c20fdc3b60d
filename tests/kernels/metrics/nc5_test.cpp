#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Nc5 : public DeviceTest {
 protected:
  ReportValues report(const Samples& split, const Samples* train, bool ood = true) {
    Statistics state;
    Evaluation evaluation;
    evaluation.out_of_distribution = ood;
    if (train != nullptr) {
      state = oracle_statistics(*train);
      evaluation.train = &state;
    }
    return compute_report(device(), oracle_statistics(split), nullptr, nullptr, {}, &evaluation);
  }
};
NCSCOPE_TEST_ON_DEVICES(Nc5);

// Means (2, 0) and (0, -3).
const Samples kTrain = small_samples(2, 2, {1, 0, 3, 0, 0, -3, 0, -3}, {0, 0, 1, 1});

TEST_P(Nc5, ByHandWhateverTheLabels) {
  for (const std::vector<int32_t>& labels : {std::vector<int32_t>{0, 0, 1}, {1, 0, 1}, {1, 1, 1}}) {
    // The mean of all samples is (1, 1).
    const Samples ood = small_samples(2, 2, {3, 0, 0, 1, 0, 2}, labels);
    EXPECT_NEAR(*report(ood, &kTrain).number("nc5.orthogonality"), std::sqrt(0.5), 1e-15);
  }
}

TEST_P(Nc5, ZeroAndOne) {
  const Samples train = small_samples(2, 2, {1, 0, 3, 0, -2, 0, -3, 0}, {0, 0, 1, 1});
  EXPECT_EQ(report(small_samples(2, 2, {0, 5, 0, 2}, {0, 0}), &train).number("nc5.orthogonality"),
            0);
  EXPECT_EQ(report(small_samples(2, 2, {5, 0, 1, 0}, {0, 0}), &train).number("nc5.orthogonality"),
            1);
}

TEST_P(Nc5, OtherClassesButTheSameDimension) {
  const Samples ood = small_samples(5, 2, {3, 0, 0, 1, 0, 2}, {4, 4, 3});
  EXPECT_NEAR(*report(ood, &kTrain).number("nc5.orthogonality"), std::sqrt(0.5), 1e-15);
}

TEST_P(Nc5, Undefined) {
  const Samples ood = small_samples(2, 2, {3, 0, 0, 1}, {0, 0});
  EXPECT_TRUE(undefined_because(report(ood, nullptr), "nc5.orthogonality", "no train means"));
  const Samples flat = small_samples(2, 1, {1, 2}, {0, 1});
  EXPECT_TRUE(undefined_because(report(ood, &flat), "nc5.orthogonality", "d = 1, this one d = 2"));
  const Samples zero = small_samples(2, 2, {3, 0.1, -3, -0.1}, {0, 1});
  EXPECT_TRUE(undefined_because(report(zero, &kTrain), "nc5.orthogonality", "all samples is zero"));
  EXPECT_TRUE(report(ood, &zero).number("nc5.orthogonality"));  // its class means are not zero
  const Samples class_zero = small_samples(2, 2, {1, 1, 3, 0.1, -3, -0.1}, {0, 1, 1});
  EXPECT_TRUE(undefined_because(report(ood, &class_zero), "nc5.orthogonality", "class 1 is zero"));
}

TEST_P(Nc5, OfOutOfDistributionSamplesOnly) {
  const ReportValues values = report(kTrain, &kTrain, false);
  EXPECT_FALSE(values.number("nc5.orthogonality"));
  EXPECT_FALSE(values.reason("nc5"));
}

}  // namespace
}  // namespace ncscope::test
