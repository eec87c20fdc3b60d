// METRICS.md section 4, data that leaves metrics undefined: the report says why, in place of a 0, a
// 1 or a NaN.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

constexpr size_t kWidth = 6;
constexpr size_t kLabels = 4;

std::string reason_of(const v1::Report& report, const std::string& metric) {
  for (const v1::Undefined& undefined : report.undefined()) {
    if (undefined.metric() == metric) return undefined.reason();
  }
  return "";
}

v1::Report report_of(const Samples& samples) {
  LiveServer live;
  const auto closed = stream_all(live.stub(), open_for(samples), samples, 16);
  return closed ? closed->report() : v1::Report();
}

TEST(DegenerateData, AbsentClassIsLeftOutAndListed) {
  Samples samples = make_samples(100, kWidth, kLabels, DType::kFloat32, 23);
  for (int64_t& label : samples.labels) label = label == 2 ? 1 : label;
  const v1::Report report = report_of(samples);
  EXPECT_EQ(report.data().num_classes(), 4u);
  EXPECT_EQ(report.data().present_classes(), 3u);
  EXPECT_EQ(report.data().absent_classes(), 1u);
  ASSERT_EQ(report.data().absent_size(), 1);
  EXPECT_EQ(report.data().absent(0), 2u);
  EXPECT_EQ(report.classes_size(), 3);
  EXPECT_TRUE(report.nc1().has_pinv());
}

TEST(DegenerateData, SingletonIsKeptAndCounted) {
  Samples samples = make_samples(60, kWidth, kLabels, DType::kFloat32, 24);
  for (int64_t& label : samples.labels) label = label == 3 ? 0 : label;
  samples.labels[11] = 3;
  const v1::Report report = report_of(samples);
  EXPECT_EQ(report.data().singletons(), 1u);
  ASSERT_EQ(report.classes_size(), 4);
  EXPECT_EQ(report.classes(3).count(), 1u);
  EXPECT_EQ(report.classes(3).within_variance(), 0);
}

TEST(DegenerateData, OneClassHasReasonsInPlaceOfNumbers) {
  Samples samples = make_samples(30, kWidth, kLabels, DType::kFloat32, 25);
  for (int64_t& label : samples.labels) label = 1;
  const v1::Report report = report_of(samples);
  EXPECT_FALSE(report.nc1().has_pinv());
  EXPECT_FALSE(report.nc1().has_cdnv());
  EXPECT_GT(report.undefined_size(), 0);
}

TEST(DegenerateData, RankDeficientMeansAreSaid) {
  Samples samples = make_samples(200, kWidth, kLabels, DType::kFloat32, 26);
  for (size_t i = 0; i < samples.features.size(); ++i) {
    if (i % kWidth >= 2) samples.features[i] = 0;  // four classes in a plane: rank 2, not 3
  }
  const v1::Report report = report_of(samples);
  EXPECT_EQ(report.nc1().rank(), 2u);
  ASSERT_GE(report.warnings_size(), 1);
  EXPECT_EQ(report.warnings(0).code(), "rank_deficient");
}

TEST(DegenerateData, EqualMeansNameThePair) {
  Samples samples = make_samples(80, kWidth, kLabels, DType::kFloat32, 27);
  for (size_t row = 0; row < samples.rows(); ++row) {
    if (samples.labels[row] != 1 && samples.labels[row] != 3) continue;
    for (size_t j = 0; j < kWidth; ++j) samples.features[row * kWidth + j] = 1.0 + double(j);
  }
  const v1::Report report = report_of(samples);
  EXPECT_FALSE(report.nc1().has_cdnv());
  const std::string reason = reason_of(report, "nc1.cdnv");
  EXPECT_THAT(reason, ::testing::AllOf(::testing::HasSubstr("1"), ::testing::HasSubstr("3")));
}

TEST(DegenerateData, NoClassifierHasReasonsInPlaceOfNumbers) {
  Samples samples = make_samples(80, kWidth, kLabels, DType::kFloat32, 28);
  samples.classifier.reset();
  const v1::Report report = report_of(samples);
  EXPECT_FALSE(report.has_nc3() && report.nc3().has_distance());
  EXPECT_FALSE(report.nc4().has_agreement());
  EXPECT_TRUE(report.nc4().has_ncc_accuracy());
  EXPECT_EQ(report.nc4().decision_source(), v1::DECISION_SOURCE_UNSPECIFIED);
  EXPECT_NE(reason_of(report, "nc4.agreement"), "");
}

TEST(DegenerateData, PredictionsStandForTheClassifier) {
  LiveServer live;
  Samples samples = make_samples(80, kWidth, kLabels, DType::kFloat32, 29);
  samples.classifier.reset();
  samples.predictions = samples.labels;
  samples.predictions[5] = (samples.labels[5] + 1) % 4;
  const auto closed = stream_all(live.stub(), open_for(samples), samples, 16);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(closed->report().nc4().decision_source(), v1::DECISION_SOURCE_PREDICTIONS);
  EXPECT_DOUBLE_EQ(closed->report().nc4().classifier_accuracy(), 79.0 / 80.0);
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
}

TEST(DegenerateData, NoSamplesMakeNoReportAndTheSeriesStaysOpen) {
  LiveServer live;
  const Samples samples = make_samples(40, kWidth, kLabels, DType::kFloat32, 30);
  StreamCall empty(live.stub());
  ASSERT_TRUE(empty.open(open_for(samples)));
  EXPECT_FALSE(empty.close(0));
  expect_status(empty.finish(), grpc::FAILED_PRECONDITION, {"N = 0"});
  const auto closed = stream_all(live.stub(), open_for(samples), samples, 16);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
}

}  // namespace
}  // namespace ncscope::testing
