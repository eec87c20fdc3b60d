// The whole report against the oracle, samples to numbers, on every kind of data.
#include "kernels/report.h"

#include <gtest/gtest.h>

#include "kernels/errors.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/layouts.h"
#include "tests/support/measure.h"

namespace ncscope::test {
namespace {

std::vector<size_t> equal_counts(size_t classes, size_t count) {
  return std::vector<size_t>(classes, count);
}

std::vector<Layout> layouts() {
  return {
      {"balanced", 24, equal_counts(10, 30)},
      {"imbalanced", 24, {200, 90, 40, 20, 9, 4, 2}},
      {"absent_class", 20, {0, 25, 31, 0, 0, 18, 40, 22, 0}},
      {"singletons", 16, {1, 30, 1, 25, 1, 28}},
      {"more_classes_than_dimensions", 9, equal_counts(23, 14)},
      {"far_more_classes_than_dimensions", 5, equal_counts(70, 6)},
      {"as_many_classes_as_dimensions_span", 12, equal_counts(13, 20)},
      {"fewer_classes_than_dimensions", 48, equal_counts(6, 40)},
      {"more_dimensions_than_samples", 60, equal_counts(5, 4)},
      {"two_classes", 7, {40, 25}},
      {"one_dimension", 1, {20, 30, 10}},
      {"rank_deficient", 20, equal_counts(8, 24), 0.3, 0, 3},
      {"rank_deficient_more_classes", 9, equal_counts(30, 10), 0.3, 0, 4},
      {"offset", 24, equal_counts(10, 30), 0.05, 10},
  };
}

class ReportOracle : public DeviceTest {
 protected:
  void check(DType type, double relative) {
    for (const Layout& layout : layouts()) {
      const Samples samples = lay_out(layout, type);
      const Classifier classifier = classifier_along(samples, 7);
      for (const Weighting weighting : {Weighting::kUniform, Weighting::kByCount}) {
        SCOPED_TRACE(layout.name + (weighting == Weighting::kUniform ? " uniform" : " by_count"));
        const ReportValues report = measure(device(), samples, &classifier, weighting);
        expect_matches(report, oracle_metrics(samples, &classifier, weighting), relative);
        for (const Undefined& undefined : report.undefined()) {  // too few or equal counts
          const bool on_a_line =
              samples.dim == 1 && undefined.metric.find("uniformity_log") != std::string::npos;
          EXPECT_TRUE(undefined.metric == "minority" || undefined.metric == "class_groups" ||
                      on_a_line)
              << undefined.metric << ": " << undefined.reason;
        }
      }
    }
  }
};
NCSCOPE_TEST_ON_DEVICES(ReportOracle);

TEST_P(ReportOracle, Float64) { check(DType::kFloat64, 1e-9); }

TEST_P(ReportOracle, Float32) { check(DType::kFloat32, 1e-6); }

TEST_P(ReportOracle, Float16) { check(DType::kFloat16, 1e-6); }

TEST_P(ReportOracle, BFloat16) { check(DType::kBFloat16, 1e-6); }

TEST_P(ReportOracle, SamplesThatWereNotTrainedOn) {
  // Of train one class is absent, of the others another one.
  const Samples train = lay_out({"", 12, {40, 30, 0, 50, 9, 21}}, DType::kFloat32);
  const Samples samples = lay_out({"", 12, {20, 0, 11, 25, 1, 30}, 0.5}, DType::kFloat32);
  const Classifier classifier = classifier_along(train, 7);
  for (const Weighting weighting : {Weighting::kUniform, Weighting::kByCount}) {
    for (const bool ood : {false, true}) {
      const ReportValues report = evaluate(device(), samples, train, &classifier, weighting, ood);
      expect_matches(report, oracle_metrics(samples, &classifier, weighting, &train, ood), 1e-6);
    }
  }
}

TEST_P(ReportOracle, WithoutAClassifierPredictionsDecide) {
  Samples samples = lay_out({"", 6, {20, 30, 0, 25}}, DType::kFloat32);
  for (size_t i = 0; i < samples.rows(); ++i) {
    samples.predictions.push_back(static_cast<int32_t>(i % 4));
  }
  expect_matches(measure(device(), samples, nullptr),
                 oracle_metrics(samples, nullptr, Weighting::kUniform), 1e-6);
}

TEST_P(ReportOracle, NeitherClassifierNorPredictions) {
  const Samples samples = lay_out({"", 6, {20, 30, 25}}, DType::kFloat32);
  const ReportValues report = measure(device(), samples, nullptr);
  expect_matches(report, oracle_metrics(samples, nullptr, Weighting::kUniform), 1e-6);
  EXPECT_TRUE(undefined_because(report, "nc3", "no classifier"));
  EXPECT_TRUE(undefined_because(report, "nc2.classifier", "no classifier"));
  EXPECT_TRUE(undefined_because(report, "nc4.agreement", "neither a classifier nor predictions"));
}

class ReportCheck : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(ReportCheck);

TEST_P(ReportCheck, RankDeficientDataIsNamed) {
  const Samples samples = lay_out({"", 20, equal_counts(8, 24), 0.3, 0, 3}, DType::kFloat32);
  const ReportValues report = measure(device(), samples, nullptr);
  ASSERT_EQ(report.warnings().size(), 1u);
  EXPECT_EQ(report.warnings()[0].code, "rank_deficient");
  EXPECT_NE(report.warnings()[0].message.find("rank 3"), std::string::npos);
}

TEST_P(ReportCheck, SameBitsTwice) {
  // The second is large enough for every loop to be shared among threads, by either route.
  for (const auto& [d, counts] :
       {std::pair(24, equal_counts(10, 30)), std::pair(600, equal_counts(12, 300)),
        std::pair(60, equal_counts(300, 12))}) {
    const Samples samples = lay_out({"", static_cast<size_t>(d), counts}, DType::kFloat32);
    const Classifier classifier = classifier_along(samples, 7);
    expect_same(measure(device(), samples, &classifier), measure(device(), samples, &classifier),
                0);
  }
}

TEST_P(ReportCheck, MergedPartsGiveTheReportOfTheWhole) {
  for (const auto& [type, relative] :
       {std::pair(DType::kFloat64, 1e-10), std::pair(DType::kFloat32, 1e-6)}) {
    const Samples samples = lay_out({"", 24, {60, 50, 0, 3, 1, 80, 20}}, type);
    const Classifier classifier = classifier_along(samples, 7);
    Statistics merged = Statistics::empty(samples.num_classes, samples.dim, type);
    const size_t parts = 7;
    for (size_t part = 0; part < parts; ++part) {
      const size_t first = samples.rows() * part / parts;
      const size_t last = samples.rows() * (part + 1) / parts;
      merged = merge(device(), merged, accumulate_rows(device(), samples, first, last - first));
    }
    expect_same(measure(device(), samples, &classifier),
                report_on(device(), samples, merged, &classifier), relative);
  }
}

TEST_P(ReportCheck, RefusesWhatDoesNotFitTogether) {
  const Statistics s = oracle_statistics(small_samples(2, 1, {1, 2, 4, 5}, {0, 0, 1, 1}));
  const Classifier wide = small_classifier(2, {1, 2, 3, 4});
  EXPECT_THROW(compute_report(device(), s, &wide, nullptr, {}), InvalidArgument);
  const Classifier tall = small_classifier(1, {1, 2, 3});
  EXPECT_THROW(compute_report(device(), s, &tall, nullptr, {}), InvalidArgument);
  const DecisionCounts decisions{
      DecisionCounts::Source::kNone, 2, {4, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
  EXPECT_THROW(compute_report(device(), s, nullptr, &decisions, {}), InvalidArgument);
  EXPECT_THROW(
      compute_report(device(), Statistics::empty(2, 1, DType::kFloat32), nullptr, nullptr, {}),
      InvalidArgument);
  Statistics train = s;
  train.means.pop_back();
  Evaluation evaluation;
  evaluation.train = &train;
  EXPECT_THROW(compute_report(device(), s, nullptr, nullptr, {}, &evaluation), InvalidArgument);
}

TEST(Weighting, IsParsedByName) {
  EXPECT_EQ(parse_weighting("uniform"), Weighting::kUniform);
  EXPECT_EQ(parse_weighting("by_count"), Weighting::kByCount);
  EXPECT_THROW(parse_weighting("Uniform"), InvalidArgument);
}

}  // namespace
}  // namespace ncscope::test
