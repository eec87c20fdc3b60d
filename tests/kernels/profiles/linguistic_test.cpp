#include <cmath>
#include <numbers>

#include "kernels/metrics/vector_stats.h"
#include "tests/kernels/profiles/profile.h"

namespace ncscope::test {
namespace {

class Linguistic : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Linguistic);

// Means 0, 2 and 7 about mu_G = 3: M = (-3, -1, 4); v_c = 1.
Samples on_a_line() { return small_samples(3, 1, {-1, 1, 1, 3, 6, 8}, {0, 0, 1, 1, 2, 2}); }

void expect_moments(const ReportValues& report, const std::string& name,
                    const std::vector<double>& values) {
  const metrics::Spread spread = metrics::spread_of(values);
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(profile_value(report, name + "_mean"), spread.mean, 1e-14) << name;
  EXPECT_NEAR(profile_value(report, name + "_var"), spread.variance * n / (n - 1), 1e-13) << name;
}

TEST_P(Linguistic, ByHand) {
  const Classifier classifier = small_classifier(1, {-1, 2, 3});
  const ReportValues report =
      profile_report(device(), on_a_line(), &classifier, Profile::kLinguistic);
  EXPECT_NEAR(profile_value(report, "cdnv"), (1.0 / 16 + 1.0 / 2401 + 1.0 / 625) / 3, 1e-15);
  expect_moments(report, "norms", {3, 1, 4});
  expect_moments(report, "norms_log", {std::log(3.0), 0, std::log(4.0)});
  // Products 3, -12 and -4.
  EXPECT_NEAR(profile_value(report, "interfere_mean"), -13.0 / 3, 1e-14);
  EXPECT_NEAR(profile_value(report, "interfere_var"), (9.0 + 144 + 16) / 3 - 169.0 / 9, 1e-12);
  expect_moments(report, "simdot", {3, -2, 12});
  expect_moments(report, "simcos", {1, -1, 1});
  expect_moments(report, "dists", {0, 2, 0});
  // Scores -h, 2h and 3h: the first class decides below 0, the last above.
  EXPECT_EQ(profile_value(report, "hits"), 3);  // -1, 6, 8
  EXPECT_EQ(profile_value(report, "misses"), 3);
  EXPECT_EQ(profile_value(report, "agreement"), 0.5);
  EXPECT_TRUE(profile_undefined(report, "log_kern_mean", "same direction"));
}

TEST_P(Linguistic, LogKernelOfASquare) {
  // Of the six pairs of directions four are sqrt(2) apart and two are 2.
  const Samples samples = small_samples(4, 2, {5, 0, 3, 0, -5, 0, -3, 0, 0, 5, 0, 3, 0, -5, 0, -3},
                                        {0, 0, 1, 1, 2, 2, 3, 3});
  const ReportValues report = profile_report(device(), samples, nullptr, Profile::kLinguistic);
  const double ln2 = std::numbers::ln2;
  EXPECT_NEAR(profile_value(report, "log_kern_mean"), -(4 * 0.5 + 2) * ln2 / 6, 1e-14);
  EXPECT_NEAR(profile_value(report, "log_kern_var"), ln2 * ln2 / 18, 1e-14);
  EXPECT_EQ(profile_value(report, "etf_error"), *report.number("nc2.means.etf_error"));
}

TEST_P(Linguistic, InterferenceIsThatOfAllPairs) {
  for (const auto& [dim, counts] :
       {std::pair<size_t, std::vector<size_t>>{24, {30, 9, 0, 24, 12, 6}},
        {5, std::vector<size_t>(70, 6)}}) {
    const Samples samples = lay_out({"", dim, counts}, DType::kFloat64);
    const Statistics s = accumulate_rows(device(), samples, 0, samples.rows());
    std::vector<double> center(dim), products;
    for (size_t c = 0; c < s.present(); ++c) {
      for (size_t j = 0; j < dim; ++j) {
        center[j] += s.means[c * dim + j] / static_cast<double>(s.present());
      }
    }
    for (size_t a = 0; a < s.present(); ++a) {
      for (size_t b = a + 1; b < s.present(); ++b) {
        double product = 0;
        for (size_t j = 0; j < dim; ++j) {
          product += (s.means[a * dim + j] - center[j]) * (s.means[b * dim + j] - center[j]);
        }
        products.push_back(product);
      }
    }
    const metrics::Spread spread = metrics::spread_of(products);
    for (const double budget : {kPairBudget, 1.0}) {  // all pairs, and a sample where P - 1 > d
      device().set_pair_budget(budget);
      const ReportValues report =
          profile_report(device(), samples, nullptr, Profile::kLinguistic, Weighting::kByCount);
      EXPECT_NEAR(profile_value(report, "interfere_mean") / spread.mean, 1, 1e-11);
      EXPECT_NEAR(profile_value(report, "interfere_var") / spread.variance, 1, 1e-11);
      EXPECT_EQ(find_number(report, "cdnv")->standard_error.has_value(),
                budget == 1 && dim + 1 < counts.size());
    }
  }
}

TEST_P(Linguistic, DistancesOfACollapsedClassifierKeepTheirDigits) {
  // w_c is M_c turned by 1e-9.
  const Samples samples = small_samples(2, 2, {1, 0, 3, 0, -1, 0, -3, 0}, {0, 0, 1, 1});
  const Classifier classifier = small_classifier(2, {2, 2e-9, -2, -2e-9});
  const ReportValues report = profile_report(device(), samples, &classifier, Profile::kLinguistic);
  EXPECT_NEAR(profile_value(report, "dists_mean") / 1e-9, 1, 1e-9);
}

TEST_P(Linguistic, AgreementIsWithoutABias) {
  const auto with_bias = [&](std::vector<double> bias) {
    const Classifier classifier = small_classifier(1, {-1, 2, 3}, std::move(bias));
    return profile_report(device(), on_a_line(), &classifier, Profile::kLinguistic);
  };
  const ReportValues biased = with_bias({0, 0, 1});
  for (const char* name : {"hits", "misses", "agreement"}) {
    EXPECT_TRUE(profile_undefined(biased, name, "without b"));
  }
  EXPECT_TRUE(biased.number("nc4.agreement"));
  EXPECT_EQ(profile_value(with_bias({0, 0, 0}), "hits"), 3);
  EXPECT_EQ(profile_value(with_bias({2, 2, 2}), "hits"), 3);
  Samples samples = on_a_line();
  samples.predictions = {0, 1, 1, 1, 2, 2};
  const ReportValues predicted = profile_report(device(), samples, nullptr, Profile::kLinguistic);
  EXPECT_EQ(profile_value(predicted, "hits"), 4);
  EXPECT_TRUE(profile_undefined(
      profile_report(device(), on_a_line(), nullptr, Profile::kLinguistic), "hits", "predictions"));
}

TEST_P(Linguistic, AgreementThatWasCountedElsewhereIsWithoutABiasWhereTheClassifierSaysSo) {
  const Statistics statistics = accumulate_rows(device(), on_a_line(), 0, 6);
  const DecisionCounts counted{
      DecisionCounts::Source::kCounted, 3, {2, 2, 2}, {1, 2, 1}, {2, 2, 2}, {1, 2, 1}};
  ReportOptions options;
  options.profile = Profile::kLinguistic;
  const auto report = [&](const Classifier* classifier) {
    return compute_report(device(), statistics, classifier, &counted, options);
  };
  EXPECT_TRUE(profile_undefined(report(nullptr), "hits", "is not known"));
  const Classifier biased = small_classifier(1, {-1, 2, 3}, {0, 0, 1});
  EXPECT_TRUE(profile_undefined(report(&biased), "hits", "without b"));
  const Classifier plain = small_classifier(1, {-1, 2, 3});
  EXPECT_EQ(profile_value(report(&plain), "hits"), 4);
  EXPECT_EQ(report(nullptr).number("nc4.agreement"), 4.0 / 6);
}

TEST_P(Linguistic, Undefined) {
  const Classifier classifier = small_classifier(1, {1, 0});
  const ReportValues one = profile_report(device(), small_samples(2, 1, {3, 5}, {1, 1}),
                                          &classifier, Profile::kLinguistic);
  ASSERT_EQ(one.profile_numbers().size(), 20u);
  for (const ProfileNumber& number : one.profile_numbers()) {
    EXPECT_TRUE(profile_undefined(one, number.name, "fewer than two class"));
  }
  // The middle one of three means is mu_G.
  const Samples middle = small_samples(3, 1, {-1, 1, 2, 4, 5, 7}, {0, 0, 1, 1, 2, 2});
  const Classifier three = small_classifier(1, {1, 2, 3});
  const ReportValues report = profile_report(device(), middle, &three, Profile::kLinguistic);
  expect_moments(report, "norms", {3, 0, 3});
  for (const char* name : {"norms_log_mean", "simcos_var", "dists_mean", "log_kern_var"}) {
    EXPECT_TRUE(profile_undefined(report, name, "class 1 is zero"));
  }
  expect_moments(report, "simdot", {-3, 0, 9});
}

}  // namespace
}  // namespace ncscope::test
