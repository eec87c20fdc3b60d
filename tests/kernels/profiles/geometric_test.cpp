#include <cmath>

#include "tests/kernels/profiles/profile.h"

namespace ncscope::test {
namespace {

class Geometric : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Geometric);

TEST_P(Geometric, ByHand) {
  // Means 0 and 4 of three samples and one: mu_G = 1, M = (-1, 3), S_B = 5, S_W = 8 / 4.
  const Samples samples = small_samples(2, 1, {-2, 0, 2, 4}, {0, 0, 0, 1});
  const Classifier classifier = small_classifier(1, {1, 3}, {2, -3});
  const ReportValues report = profile_report(device(), samples, &classifier, Profile::kGeometric);
  EXPECT_NEAR(profile_value(report, "collapse_metric"), 2.0 / 5 / 2, 1e-15);
  // WW^T = [[1, 3], [3, 9]] of norm 10, E = [[1, -1], [-1, 1]] / 2.
  EXPECT_NEAR(profile_value(report, "ETF_metric"), std::sqrt(0.4 * 0.4 + 2 * 0.8 * 0.8 + 0.4 * 0.4),
              1e-15);
  EXPECT_NEAR(profile_value(report, "ETF_metric_centered"), 0, 1e-15);
  // WM^T = [[-1, 3], [-3, 9]] of norm 10.
  EXPECT_NEAR(profile_value(report, "WH_relation_metric"),
              std::sqrt(0.6 * 0.6 + 0.8 * 0.8 + 0.2 * 0.2 + 0.4 * 0.4), 1e-15);
  EXPECT_NEAR(profile_value(report, "Wh_b_relation_metric"), 3, 1e-15);
}

TEST_P(Geometric, CollapseIsAboutTheMeanOfAllSamples) {
  for (const std::vector<size_t>& counts :
       {std::vector<size_t>{50, 7, 3}, std::vector<size_t>{20, 20, 20}}) {
    const Samples samples = lay_out({"", 1, counts}, DType::kFloat64);
    const ReportValues report = profile_report(device(), samples, nullptr, Profile::kGeometric);
    const Statistics s = accumulate_rows(device(), samples, 0, samples.rows());
    double center = 0, between = 0;
    for (size_t c = 0; c < 3; ++c) center += static_cast<double>(s.counts[c]) * s.means[c];
    center /= static_cast<double>(s.samples);
    for (size_t c = 0; c < 3; ++c) between += std::pow(s.means[c] - center, 2) / 3;
    const double within = s.scatter[0] / static_cast<double>(s.samples);
    EXPECT_NEAR(profile_value(report, "collapse_metric") / (within / between / 3), 1, 1e-12);
  }
}

TEST_P(Geometric, EqualCountsGiveThePinvOfTheReport) {
  for (const auto& [dim, classes] : {std::pair<size_t, size_t>{24, 7}, {7, 24}, {12, 13}}) {
    const Samples samples = lay_out({"", dim, std::vector<size_t>(classes, 20)}, DType::kFloat64);
    const Classifier classifier = classifier_along(samples, 7);
    for (const Weighting weighting : {Weighting::kUniform, Weighting::kByCount}) {
      const ReportValues report =
          profile_report(device(), samples, &classifier, Profile::kGeometric, weighting);
      EXPECT_NEAR(profile_value(report, "collapse_metric") / *report.number("nc1.pinv"), 1, 1e-10);
      EXPECT_NEAR(
          profile_value(report, "WH_relation_metric") / *report.number("nc3.structure_error"), 1,
          1e-12);
    }
  }
}

TEST_P(Geometric, IsByCountWhateverTheWeighting) {
  const Samples samples = lay_out({"", 9, {40, 3, 0, 17, 25}}, DType::kFloat64);
  const Classifier classifier = classifier_along(samples, 7);
  const ReportValues uniform = profile_report(device(), samples, &classifier, Profile::kGeometric);
  const ReportValues by_count =
      profile_report(device(), samples, &classifier, Profile::kGeometric, Weighting::kByCount);
  ASSERT_EQ(uniform.profile_numbers().size(), 5u);
  for (const ProfileNumber& number : uniform.profile_numbers()) {
    EXPECT_EQ(profile_value(by_count, number.name), *number.value) << number.name;
  }
  EXPECT_EQ(profile_value(uniform, "Wh_b_relation_metric"), *by_count.number("nc3.bias_collapse"));
  EXPECT_NE(profile_value(uniform, "Wh_b_relation_metric"), *uniform.number("nc3.bias_collapse"));
}

TEST_P(Geometric, Undefined) {
  const Samples one = small_samples(2, 1, {3, 5}, {1, 1});
  const ReportValues report = profile_report(device(), one, nullptr, Profile::kGeometric);
  EXPECT_TRUE(profile_undefined(report, "collapse_metric", "fewer than two classes"));
  for (const char* name :
       {"ETF_metric", "ETF_metric_centered", "WH_relation_metric", "Wh_b_relation_metric"}) {
    EXPECT_TRUE(profile_undefined(report, name, "no classifier"));
  }
  const Samples singles = small_samples(2, 1, {3, 5}, {0, 1});
  const Classifier zero = small_classifier(1, {0, 0});
  const ReportValues other = profile_report(device(), singles, &zero, Profile::kGeometric);
  EXPECT_TRUE(profile_undefined(other, "collapse_metric", "single sample"));
  EXPECT_TRUE(profile_undefined(other, "ETF_metric", "classifier is zero"));
  const Classifier row = small_classifier(1, {2});
  const ReportValues single =
      profile_report(device(), small_samples(1, 1, {3, 5}, {0, 0}), &row, Profile::kGeometric);
  EXPECT_TRUE(profile_undefined(single, "ETF_metric", "fewer than two rows"));
}

TEST_P(Geometric, MeansOfLowRank) {
  const Samples samples = lay_out({"", 20, std::vector<size_t>(6, 24), 0.3, 0, 2}, DType::kFloat64);
  const ReportValues report = profile_report(device(), samples, nullptr, Profile::kGeometric);
  EXPECT_NEAR(profile_value(report, "collapse_metric") / *report.number("nc1.pinv"), 1, 1e-10);
}

}  // namespace
}  // namespace ncscope::test
