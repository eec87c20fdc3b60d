#include <cmath>

#include "tests/kernels/profiles/profile.h"

namespace ncscope::test {
namespace {

class Papyan : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Papyan);

// Means (0, 0), (4, 0) and (0, 4); v_c = 1, 1 and 2; mu_G = (4/3, 4/3).
Samples three_corners() {
  return small_samples(3, 2, {-1, 0, 1, 0, 4, -1, 4, 1, -1, 3, 1, 5}, {0, 0, 1, 1, 2, 2});
}

TEST_P(Papyan, ByHand) {
  // S_W = [[4, 2], [2, 4]] / 6, S_B = [[32, -16], [-16, 32]] / 9, whose inverse is
  // [[2, 1], [1, 2]] 9 / 48.
  const Classifier classifier = small_classifier(2, {3, 4, 0, 1, -2, 0});
  const ReportValues report =
      profile_report(device(), three_corners(), &classifier, Profile::kPapyan);
  const double trace = 20.0 / 6 * 9 / 48;
  EXPECT_NEAR(profile_value(report, "Sw_invSb"), trace, 1e-14);
  EXPECT_NEAR(profile_value(report, "NC1"), trace / 3, 1e-14);
  // ||M_c|| is 4 sqrt(2) / 3 once and 4 sqrt(5) / 3 twice.
  const double a = 4 * std::sqrt(2.0) / 3, b = 4 * std::sqrt(5.0) / 3;
  EXPECT_NEAR(profile_value(report, "norm_M_CoV"), (b - a) / std::sqrt(3.0) / ((a + 2 * b) / 3),
              1e-14);
  // ||w_c|| are 5, 1 and 2.
  EXPECT_NEAR(profile_value(report, "norm_W_CoV"), std::sqrt(13.0 / 3) / (8.0 / 3), 1e-14);
  // M is (-4, -4) / 3, (8, -4) / 3, (-4, 8) / 3.
  const double near = -1 / std::sqrt(10.0);
  EXPECT_NEAR(profile_value(report, "cos_M"),
              (2 * std::fabs(near + 0.5) + std::fabs(-0.8 + 0.5)) / 3, 1e-14);
  EXPECT_NEAR(profile_value(report, "cos_W"), (1.3 + 0.1 + 0.5) / 3, 1e-14);
  const double distance = *report.number("nc3.distance");
  EXPECT_NEAR(profile_value(report, "W_M_dist"), distance * distance, 1e-15);
  EXPECT_EQ(profile_value(report, "NCC_mismatch"), 1 - *report.number("nc4.agreement"));
  EXPECT_EQ(profile_value(report, "accuracy"), *report.number("nc4.classifier_accuracy"));
}

TEST_P(Papyan, TakesNoNoticeOfTheWeightingAndLeavesTheReportAsItIs) {
  const Samples samples = lay_out({"", 9, {40, 3, 0, 17, 25}}, DType::kFloat64);
  const Classifier classifier = classifier_along(samples, 7);
  const ReportValues uniform = profile_report(device(), samples, &classifier, Profile::kPapyan);
  const ReportValues by_count =
      profile_report(device(), samples, &classifier, Profile::kPapyan, Weighting::kByCount);
  ASSERT_EQ(uniform.profile_numbers().size(), 9u);
  for (const ProfileNumber& number : uniform.profile_numbers()) {
    EXPECT_EQ(profile_value(by_count, number.name), *number.value) << number.name;
    EXPECT_FALSE(number.formula.empty());
    EXPECT_NE(number.source.find("2008.08186"), std::string::npos);
  }
  expect_same(by_count, measure(device(), samples, &classifier, Weighting::kByCount), 0);
  EXPECT_TRUE(measure(device(), samples, &classifier).profile_numbers().empty());
}

TEST_P(Papyan, WithoutAClassifier) {
  const ReportValues report = profile_report(device(), three_corners(), nullptr, Profile::kPapyan);
  for (const char* name : {"norm_W_CoV", "cos_W", "W_M_dist"}) {
    EXPECT_TRUE(profile_undefined(report, name, "no classifier"));
  }
  for (const char* name : {"NCC_mismatch", "accuracy"}) {
    EXPECT_TRUE(profile_undefined(report, name, "neither a classifier nor predictions"));
  }
  EXPECT_GT(profile_value(report, "NC1"), 0);
}

TEST_P(Papyan, OneClass) {
  const Classifier classifier = small_classifier(1, {1, 2});
  const ReportValues report =
      profile_report(device(), small_samples(2, 1, {3, 5}, {1, 1}), &classifier, Profile::kPapyan);
  for (const char* name : {"NC1", "Sw_invSb", "norm_M_CoV", "cos_M", "W_M_dist", "NCC_mismatch"}) {
    EXPECT_TRUE(profile_undefined(report, name, "fewer than two class"));
  }
  EXPECT_NEAR(profile_value(report, "norm_W_CoV"), std::sqrt(0.5) / 1.5, 1e-15);
}

TEST_P(Papyan, OneRowAndZeroRowsOfTheClassifier) {
  const Classifier one = small_classifier(1, {1});
  const ReportValues single =
      profile_report(device(), small_samples(1, 1, {3, 5}, {0, 0}), &one, Profile::kPapyan);
  for (const char* name : {"norm_W_CoV", "cos_W"}) {
    EXPECT_TRUE(profile_undefined(single, name, "fewer than two rows"));
  }
  const Classifier zero = small_classifier(2, {1, 0, 0, 0, 0, 1});
  const ReportValues report = profile_report(device(), three_corners(), &zero, Profile::kPapyan);
  EXPECT_TRUE(profile_undefined(report, "cos_W", "class 1 is zero"));
}

TEST_P(Papyan, SampledPairsCarryTheirStandardError) {
  const Samples samples = lay_out({"", 5, std::vector<size_t>(60, 4)}, DType::kFloat64);
  const Classifier classifier = classifier_along(samples, 7);
  const ReportValues all = profile_report(device(), samples, &classifier, Profile::kPapyan);
  device().set_pair_budget(1);
  const ReportValues report = profile_report(device(), samples, &classifier, Profile::kPapyan);
  for (const char* name : {"cos_M", "cos_W"}) {
    ASSERT_FALSE(find_number(all, name)->standard_error);
    ASSERT_TRUE(find_number(report, name)->standard_error) << name;
    EXPECT_LT(std::fabs(profile_value(report, name) - profile_value(all, name)),
              5 * *find_number(report, name)->standard_error);
  }
  EXPECT_FALSE(find_number(report, "NC1")->standard_error);
}

}  // namespace
}  // namespace ncscope::test
