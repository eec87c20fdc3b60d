// METRICS.md section 4, row by row, on the command line.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "client/output/fields.h"
#include "tests/client/cli/cli.h"

namespace ncscope::testing {
namespace {

// A small data set that each test changes in one place.
struct SmallSet {
  std::vector<float> features = {0, 1, 1, 0, 4, 5, 5, 4, 9, 1, 8, 2};  // [6, 2]
  std::vector<int64_t> labels = {0, 0, 1, 1, 2, 2};
  std::vector<ZipEntry> more;

  std::string write(const TemporaryFolder& folder) const {
    std::vector<ZipEntry> entries = {{"features.npy", npy_matrix(features, labels.size(), 2)},
                                     {"labels.npy", npy_vector(labels)}};
    entries.insert(entries.end(), more.begin(), more.end());
    write_zip(folder / "x.npz", entries);
    return (folder / "x.npz").string();
  }
};

class CliEdgeCase : public ::testing::Test {
 protected:
  void expect_undefined(const v1::Report& report, const std::string& path) {
    EXPECT_FALSE(output::number_at(report, path)) << path;
    EXPECT_TRUE(output::undefined_reason(report, path)) << path;
  }

  TemporaryFolder folder_;
  SmallSet set_;
};

TEST_F(CliEdgeCase, NonfiniteFeatureIsRefusedNamingRowAndColumn) {
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    set_.features[7] = value;
    expect_refusal(run_cli({"report", set_.write(folder_)}), 1, "row 3, column 1: expected finite");
  }
}

TEST_F(CliEdgeCase, NonfiniteRowsAreSkippedAndCountedOnRequest) {
  set_.features[7] = std::nanf("");
  const v1::Report report = cli_report({"report", set_.write(folder_), "--nonfinite", "skip"});
  EXPECT_EQ(report.data().samples(), 5u);
  EXPECT_EQ(report.data().skipped_nonfinite(), 1u);
  EXPECT_EQ(report.data().singletons(), 1u);
}

TEST_F(CliEdgeCase, LabelOutOfRangeIsRefusedNamingRowAndValue) {
  set_.labels[4] = 3;
  expect_refusal(run_cli({"report", set_.write(folder_), "--num-classes", "3"}), 1,
                 "row 4: expected a label in [0, 3), got 3");
  set_.labels[4] = -1;
  expect_refusal(run_cli({"report", set_.write(folder_)}), 1, "got -1");
}

TEST_F(CliEdgeCase, IgnoredLabelsAreDroppedAndCounted) {
  set_.labels[5] = -100;
  EXPECT_EQ(cli_report({"report", set_.write(folder_)}).data().ignored(), 1u);
  set_.labels[5] = 255;
  const v1::Report report = cli_report({"report", set_.write(folder_), "--ignore-index", "255"});
  EXPECT_EQ(report.data().ignored(), 1u);
  EXPECT_EQ(report.data().num_classes(), 3u);
  EXPECT_EQ(report.data().samples(), 5u);
}

TEST_F(CliEdgeCase, WrongNumberOfClassesIsRefused) {
  set_.more = {{"weight.npy", npy_matrix(std::vector<float>(8, 1), 4, 2)}};
  expect_refusal(run_cli({"report", set_.write(folder_), "--num-classes", "3"}), 1,
                 "expected a weight of 3 rows, one for each class, got 4");
}

TEST_F(CliEdgeCase, AbsentClassIsLeftOutAndListed) {
  set_.labels = {0, 0, 1, 1, 4, 4};
  const v1::Report report = cli_report({"report", set_.write(folder_), "--num-classes", "6"});
  EXPECT_EQ(report.data().present_classes(), 3u);
  EXPECT_EQ(report.data().absent_classes(), 3u);
  EXPECT_EQ(output::text_at(report, "data.absent"), "2 3 5");
  EXPECT_TRUE(report.nc1().has_pinv());
}

TEST_F(CliEdgeCase, SingletonHasNoVarianceAndIsCounted) {
  set_.labels = {0, 0, 0, 1, 2, 2};
  const v1::Report report = cli_report({"report", set_.write(folder_)});
  EXPECT_EQ(report.data().singletons(), 1u);
  EXPECT_EQ(report.classes(1).within_variance(), 0);
  EXPECT_TRUE(report.nc1().has_pinv());
}

TEST_F(CliEdgeCase, OneClassLeavesMetricsUndefinedWithAReason) {
  set_.labels = {0, 0, 0, 0, 0, 0};
  const v1::Report report = cli_report({"report", set_.write(folder_)});
  for (const char* path : {"nc1.pinv", "nc1.quotient", "nc1.cdnv", "nc2.means.etf_error"}) {
    expect_undefined(report, path);
  }
}

TEST_F(CliEdgeCase, NoFreedomWithinClassesLeavesMetricsUndefined) {
  set_.labels = {0, 1, 2, 3, 4, 5};
  const v1::Report report = cli_report({"report", set_.write(folder_)});
  expect_undefined(report, "nc1.pinv");
  expect_undefined(report, "nc1.quotient");
  EXPECT_TRUE(report.nc2().means().has_etf_error());
}

TEST_F(CliEdgeCase, RankDeficientMeansGiveAWarning) {
  set_.features = {0, 0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5};  // means on a line
  const v1::Report report = cli_report({"report", set_.write(folder_)});
  EXPECT_EQ(report.nc1().rank(), 1u);
  EXPECT_TRUE(report.nc1().has_pinv());
  ASSERT_GE(report.warnings_size(), 1);
  EXPECT_EQ(report.warnings(0).code(), "rank_deficient");
}

TEST_F(CliEdgeCase, EqualMeansLeaveCdnvUndefinedNamingThePair) {
  set_.features = {0, 1, 1, 0, 4, 5, 5, 4, 0, 0, 1, 1};  // classes 0 and 2
  const v1::Report report = cli_report({"report", set_.write(folder_)});
  expect_undefined(report, "nc1.cdnv");
  const std::string reason = output::undefined_reason(report, "nc1.cdnv").value_or("");
  EXPECT_NE(reason.find('0'), std::string::npos) << reason;
  EXPECT_NE(reason.find('2'), std::string::npos) << reason;
}

TEST_F(CliEdgeCase, WithoutWeightTheClassifiersMetricsAreUndefined) {
  const v1::Report report = cli_report({"report", set_.write(folder_)});
  for (const char* path : {"nc3.distance", "nc4.agreement", "nc2.classifier.etf_error"}) {
    expect_undefined(report, path);
  }
  EXPECT_TRUE(report.nc4().has_ncc_accuracy());
}

TEST_F(CliEdgeCase, PredictionsStandForTheClassifiersDecisions) {
  set_.more = {{"predictions.npy", npy_vector(std::vector<int64_t>{0, 0, 1, 1, 2, 0})}};
  const v1::Report report = cli_report({"report", set_.write(folder_)});
  EXPECT_EQ(report.nc4().decision_source(), v1::DECISION_SOURCE_PREDICTIONS);
  EXPECT_DOUBLE_EQ(report.nc4().agreement(), 5.0 / 6.0);
  EXPECT_DOUBLE_EQ(report.nc4().classifier_accuracy(), 5.0 / 6.0);
}

TEST_F(CliEdgeCase, NoSamplesGiveNoReport) {
  set_.labels = {-100, -100, -100, -100, -100, -100};
  expect_refusal(run_cli({"report", set_.write(folder_)}), 1, "at least one sample");
}

}  // namespace
}  // namespace ncscope::testing
