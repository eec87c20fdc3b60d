#include <gtest/gtest.h>

#include "kernels/report.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class ClassGroups : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(ClassGroups);

// So many samples of each class on a line, class c about 10 c with variance 1.
Statistics groups_state(const std::vector<uint64_t>& counts) {
  Statistics s = Statistics::empty(counts.size(), 1, DType::kFloat64);
  s.scatter = {0};
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) continue;
    s.classes.push_back(static_cast<uint32_t>(c));
    s.counts.push_back(counts[c]);
    s.means.push_back(10.0 * static_cast<double>(c));
    s.within.push_back(static_cast<double>(counts[c]));
    s.samples += counts[c];
    s.scatter[0] += static_cast<double>(counts[c]);
  }
  return s;
}

TEST_P(ClassGroups, RarestAreTheTailAndLowerLabelsOfEqualOnes) {
  // Ascending: class 4, then 1 and 6 of equal ones, 3 | 0 | 2, 7; of seven, two are tail and head.
  const Statistics s = groups_state({9, 2, 30, 8, 1, 0, 2, 40});
  DecisionCounts decisions;
  decisions.source = DecisionCounts::Source::kPredictions;
  decisions.centers = 7;
  decisions.samples = {9, 2, 30, 8, 1, 0, 2, 40};
  decisions.classifier_correct = {9, 1, 30, 4, 0, 0, 2, 36};
  decisions.ncc_correct = {9, 2, 30, 8, 0, 0, 2, 40};
  decisions.agreement = {9, 1, 30, 4, 1, 0, 2, 36};
  const ReportValues report = compute_report(device(), s, nullptr, &decisions, {});
  const auto number = [&](const char* path) {
    return report.number(std::string("class_groups.") + path).value_or(-1);
  };
  EXPECT_EQ(number("head.classes"), 2);
  EXPECT_EQ(number("mid.classes"), 3);
  EXPECT_EQ(number("tail.classes"), 2);
  EXPECT_EQ(number("tail.samples"), 3);
  EXPECT_EQ(number("tail.least_count"), 1);
  EXPECT_EQ(number("tail.most_count"), 2);
  EXPECT_EQ(number("mid.most_count"), 9);
  EXPECT_EQ(number("head.least_count"), 30);
  EXPECT_DOUBLE_EQ(number("tail.classifier_accuracy"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(number("head.classifier_accuracy"), 66.0 / 70);
  EXPECT_DOUBLE_EQ(number("tail.ncc_accuracy"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(number("tail.agreement"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(number("mid.within_variance"), 1);
  EXPECT_DOUBLE_EQ(number("mid.quotient"), 1 / *report.number("nc1.between_trace"));
}

TEST_P(ClassGroups, OfATestSplitFollowTheCountsOfTrain) {
  const Statistics train = groups_state({100, 10, 1});
  const Statistics test = groups_state({5, 5, 5});
  Evaluation evaluation;
  evaluation.train = &train;
  const ReportValues report = compute_report(device(), test, nullptr, nullptr, {}, &evaluation);
  EXPECT_EQ(report.number("class_groups.head.most_count"), 100);
  EXPECT_EQ(report.number("class_groups.tail.most_count"), 1);
  EXPECT_EQ(report.number("class_groups.tail.samples"), 5);
  evaluation.out_of_distribution = true;
  const ReportValues ood = compute_report(device(), test, nullptr, nullptr, {}, &evaluation);
  EXPECT_FALSE(ood.number("class_groups.head.classes"));
  EXPECT_FALSE(ood.reason("class_groups.head.classes"));
}

TEST_P(ClassGroups, SaysWhyThereAreNone) {
  const auto why = [&](const std::vector<uint64_t>& counts, const char* words) {
    EXPECT_TRUE(
        undefined_because(compute_report(device(), groups_state(counts), nullptr, nullptr, {}),
                          "class_groups.tail.samples", words));
  };
  why({3, 9}, "fewer than three");
  why({3, 3, 3}, "same number of samples");
}

}  // namespace
}  // namespace ncscope::test
