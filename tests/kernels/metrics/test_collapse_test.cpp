#include <gtest/gtest.h>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class TestCollapse : public DeviceTest {
 protected:
  ReportValues report(const Samples& split, const Samples* train,
                      Weighting weighting = Weighting::kUniform) {
    Statistics state;
    Evaluation evaluation;
    if (train != nullptr) {
      state = oracle_statistics(*train);
      evaluation.train = &state;
    }
    ReportOptions options;
    options.weighting = weighting;
    return compute_report(device(), oracle_statistics(split), nullptr, nullptr, options,
                          &evaluation);
  }
};
NCSCOPE_TEST_ON_DEVICES(TestCollapse);

// Train means 0, 10 and 40; the split has means 1 and 14.
const Samples kTrainedOn = small_samples(3, 1, {-1, 1, 9, 11, 39, 41}, {0, 0, 1, 1, 2, 2});
const Samples kSplit = small_samples(3, 1, {0, 2, 13, 14, 15}, {0, 0, 1, 1, 1});

TEST_P(TestCollapse, ByHand) {
  const ReportValues uniform = report(kSplit, &kTrainedOn);
  // tr S_W = 4 / 5; tr S_B = 6.5^2 of its own means, 5^2 of train's.
  EXPECT_DOUBLE_EQ(*uniform.number("test_collapse.weak"), 4.0 / 5 / 42.25);
  EXPECT_DOUBLE_EQ(*uniform.number("test_collapse.weak"), *uniform.number("nc1.quotient"));
  // (0 + 4 + 9 + 16 + 25) / 5
  EXPECT_DOUBLE_EQ(*uniform.number("test_collapse.strong"), 54.0 / 5 / 25);
  EXPECT_TRUE(uniform.warnings().empty());
  // Counts of the split: means 0 and 10 weigh 2/5 and 3/5, so tr S_B = 24.
  const ReportValues by_count = report(kSplit, &kTrainedOn, Weighting::kByCount);
  EXPECT_DOUBLE_EQ(*by_count.number("test_collapse.strong"), 54.0 / 5 / 24);
  EXPECT_DOUBLE_EQ(*by_count.number("test_collapse.weak"), *by_count.number("nc1.quotient"));
}

TEST_P(TestCollapse, AboutItsOwnMeansBothAreTheSame) {
  const ReportValues values = report(kTrainedOn, &kTrainedOn);
  EXPECT_DOUBLE_EQ(*values.number("test_collapse.strong"), *values.number("test_collapse.weak"));
}

TEST_P(TestCollapse, ClassesWithoutATrainMeanAreLeftOut) {
  const Samples split = small_samples(4, 1, {0, 2, 13, 14, 15, 7, 8}, {0, 0, 1, 1, 1, 3, 3});
  Samples train = kTrainedOn;
  train.num_classes = 4;
  const ReportValues values = report(split, &train);
  EXPECT_DOUBLE_EQ(*values.number("test_collapse.strong"), 54.0 / 5 / 25);
  ASSERT_EQ(values.warnings().size(), 1u);
  EXPECT_EQ(values.warnings()[0].code, "classes_without_train_mean");
  EXPECT_NE(values.warnings()[0].message.find("1 classes"), std::string::npos);
  EXPECT_NE(values.warnings()[0].message.find(": 3"), std::string::npos);
}

TEST_P(TestCollapse, SingleSamplesHaveAStrongValueOnly) {
  const ReportValues values = report(small_samples(3, 1, {3, 12}, {0, 1}), &kTrainedOn);
  EXPECT_TRUE(undefined_because(values, "test_collapse.weak", "single sample"));
  EXPECT_DOUBLE_EQ(*values.number("test_collapse.strong"), (9.0 + 4) / 2 / 25);
}

TEST_P(TestCollapse, Undefined) {
  const Samples one = small_samples(3, 1, {3, 5}, {1, 1});
  EXPECT_TRUE(undefined_because(report(one, &kTrainedOn), "test_collapse.weak", "fewer than two"));
  EXPECT_TRUE(undefined_because(report(one, &kTrainedOn), "test_collapse.strong",
                                "of the train means: fewer than two"));
  const Samples other = small_samples(3, 1, {3, 5, 4, 6}, {0, 0, 1, 1});
  EXPECT_TRUE(undefined_because(report(other, &one), "test_collapse.strong", "fewer than two"));
  const Samples third = small_samples(3, 1, {3, 5}, {2, 2});
  EXPECT_TRUE(undefined_because(report(third, &one), "test_collapse.strong", "no class"));
  const Samples equal = small_samples(3, 1, {-1, 1, -2, 2}, {0, 0, 1, 1});
  EXPECT_TRUE(undefined_because(report(kSplit, &equal), "test_collapse.strong", "equal"));
  EXPECT_TRUE(undefined_because(report(kSplit, nullptr), "test_collapse.strong", "no train means"));
  EXPECT_TRUE(report(kSplit, nullptr).number("test_collapse.weak"));
  const Samples wide = small_samples(4, 2, {1, 2, 3, 4}, {0, 1});
  EXPECT_TRUE(undefined_because(report(kSplit, &wide), "test_collapse.strong",
                                "K = 4, d = 2, this one K = 3, d = 1"));
}

TEST_P(TestCollapse, NothingOfSamplesThatWereTrainedOn) {
  const ReportValues values = small_report(device(), kTrainedOn);
  EXPECT_FALSE(values.number("test_collapse.weak"));
  EXPECT_FALSE(values.reason("test_collapse.weak"));
}

}  // namespace
}  // namespace ncscope::test
