#include <cmath>

#include "kernels/errors.h"
#include "tests/kernels/profiles/profile.h"

namespace ncscope::test {
namespace {

class Rw : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Rw);

// Means 0, 2 and 7 about mu_G = 3: M = (-3, -1, 4); v_c = 1.
Samples three_points() { return small_samples(3, 1, {-1, 1, 1, 3, 6, 8}, {0, 0, 1, 1, 2, 2}); }

TEST_P(Rw, ByHand) {
  const Classifier classifier = small_classifier(1, {-1, 2, 3});
  const ReportValues report = profile_report(device(), three_points(), &classifier, Profile::kRw);
  ASSERT_EQ(report.profile_numbers().size(), 11u);
  EXPECT_NEAR(profile_value(report, "nc1_pinv"), 1.0 / 26, 1e-15);
  EXPECT_NEAR(profile_value(report, "nc1_quot"), 3.0 / 26, 1e-15);
  EXPECT_TRUE(profile_undefined(report, "nc1_svd", "rank 1, fewer than 2"));
  EXPECT_NEAR(profile_value(report, "nc1_cdnv"), (1.0 / 4 + 1.0 / 49 + 1.0 / 25) / 3, 1e-15);
  // Distances of directions 0, 2 and 2.
  EXPECT_NEAR(profile_value(report, "nc2g_dist"), 8.0 / 9, 1e-15);
  EXPECT_TRUE(profile_undefined(report, "nc2g_log", "same direction"));
  // <w_c, M_c> are 3, -2 and 12.
  EXPECT_NEAR(profile_value(report, "nc3u_uni_dual"), 151.0 / 3, 1e-13);
  EXPECT_EQ(profile_value(report, "nc4_agree"), 0.5);
  EXPECT_EQ(profile_value(report, "nc2_etf_err"), *report.number("nc2.means.etf_error"));
  EXPECT_EQ(profile_value(report, "nc3_dual_err"), *report.number("nc3.structure_error"));
  EXPECT_TRUE(profile_undefined(report, "nc5_ood_dev", "out-of-distribution"));
}

TEST_P(Rw, TheSvdIsThePinvWhereThereAreDimensionsEnough) {
  const Samples samples = lay_out({"", 24, {30, 9, 0, 24, 12, 6}}, DType::kFloat64);
  for (const Weighting weighting : {Weighting::kUniform, Weighting::kByCount}) {
    const ReportValues report = profile_report(device(), samples, nullptr, Profile::kRw, weighting);
    EXPECT_EQ(profile_value(report, "nc1_svd"), profile_value(report, "nc1_pinv"));
    EXPECT_EQ(profile_value(report, "nc1_pinv") == *report.number("nc1.pinv"),
              weighting == Weighting::kUniform);
  }
}

TEST_P(Rw, AgreementIsWithoutABias) {
  const Classifier classifier = small_classifier(1, {-1, 2, 3}, {0, 0, 1});
  const ReportValues report = profile_report(device(), three_points(), &classifier, Profile::kRw);
  EXPECT_TRUE(profile_undefined(report, "nc4_agree", "without b"));
}

TEST_P(Rw, OutOfDistributionClassesWeighTheSame) {
  // Train means (1, 0) and (0, 1); of the others class means (4, 0) of three samples and (0, 3) of
  // one.
  const Samples train = small_samples(2, 2, {0, 0, 2, 0, 0, 0, 0, 2}, {0, 0, 1, 1});
  const Samples ood = small_samples(2, 2, {3, 0, 4, 0, 5, 0, 0, 3}, {0, 0, 0, 1});
  const Statistics centers = oracle_statistics(train);
  const auto report_of = [&](const Statistics* means) {
    ReportOptions options;
    options.profile = Profile::kRw;
    Evaluation evaluation;
    evaluation.train = means;
    evaluation.out_of_distribution = true;
    return compute_report(device(), oracle_statistics(ood), nullptr, nullptr, options, &evaluation);
  };
  const ReportValues report = report_of(&centers);
  EXPECT_NEAR(profile_value(report, "nc5_ood_dev"), 0.5 * (4.0 / 5 + 3.0 / 5), 1e-15);
  EXPECT_NEAR(*report.number("nc5.orthogonality"), 0.5 * 15 / std::hypot(12.0, 3.0), 1e-15);
  EXPECT_TRUE(profile_undefined(report_of(nullptr), "nc5_ood_dev", "no train means"));
}

TEST_P(Rw, OneClassWithoutAClassifier) {
  const ReportValues report =
      profile_report(device(), small_samples(2, 1, {3, 5}, {1, 1}), nullptr, Profile::kRw);
  ASSERT_EQ(report.profile_numbers().size(), 11u);
  for (const char* name :
       {"nc1_pinv", "nc1_svd", "nc1_quot", "nc1_cdnv", "nc2_etf_err", "nc2g_dist", "nc2g_log"}) {
    EXPECT_TRUE(profile_undefined(report, name, "fewer than two classes"));
  }
  for (const char* name : {"nc3_dual_err", "nc3u_uni_dual"}) {
    EXPECT_TRUE(profile_undefined(report, name, "no classifier"));
  }
}

TEST(Profile, IsParsedByName) {
  for (const Profile profile : {Profile::kDefault, Profile::kPapyan, Profile::kGeometric,
                                Profile::kLinguistic, Profile::kRw}) {
    EXPECT_EQ(parse_profile(profile_name(profile)), profile);
  }
  EXPECT_THROW(parse_profile("Papyan"), InvalidArgument);
}

}  // namespace
}  // namespace ncscope::test
