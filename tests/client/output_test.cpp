// What people read of a report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/output/class_table.h"
#include "client/output/readings.h"
#include "client/output/report_table.h"
#include "kernels/errors.h"

namespace ncscope::output {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Report report_to_read() {
  v1::Report report;
  report.mutable_key()->set_epoch(12);
  report.mutable_data()->set_present_classes(10);
  report.mutable_data()->set_num_classes(10);
  report.mutable_nc1()->set_quotient(0.003);
  report.mutable_nc1()->set_pinv(0.02);
  report.mutable_nc2()->mutable_means()->set_max_angle(0.04);
  report.mutable_nc2()->mutable_means()->set_etf_error(0.3);
  report.mutable_nc2()->mutable_means()->set_etf_floor(0.25);
  report.mutable_nc4()->set_agreement(0.995);
  return report;
}

v1::MetricHistory& history(v1::Report& report, const char* metric, double to_first, double to_best,
                           uint32_t best_epoch) {
  v1::MetricHistory& entry = *report.mutable_dynamics()->add_metrics();
  entry.set_metric(metric);
  entry.set_relative_to_first(to_first);
  entry.set_relative_to_best(to_best);
  entry.set_best_epoch(best_epoch);
  return entry;
}

void warn(v1::Report& report, const char* code) { report.add_warnings()->set_code(code); }

TEST(Readings, SayWhatNumbersMean) {
  const std::string text = readings(report_to_read(), {});
  EXPECT_THAT(text, HasSubstr("within-class variance is 0.3 % of between-class variance\n"));
  EXPECT_THAT(text, HasSubstr("their cosines are 0.04 from the simplex' -0.111\n"));
  EXPECT_THAT(text, HasSubstr("0.3 from a simplex, of which 0.25 is for want of dimensions\n"));
  EXPECT_THAT(text, HasSubstr("nearest class mean for 99.5 % of samples\n"));
  EXPECT_THAT(text, Not(HasSubstr("classifier rows")));
  EXPECT_EQ(readings(v1::Report(), {}), "");
}

TEST(Readings, SayWhereTheRunGoes) {
  v1::Report report = report_to_read();
  history(report, "nc1.quotient", 0.12, 1, 12);
  history(report, "nc1.pinv", 0.5, 1.25, 9);
  history(report, "nc4.agreement", 1.4, 0.98, 7);
  report.mutable_dynamics()->set_nc1_log10_slope(-0.1);
  report.mutable_dynamics()->set_terminal_phase_epoch(5);
  const std::string text = readings(report, {});
  EXPECT_THAT(text, HasSubstr("between-class variance; lowest so far, 0.12 of the first\n"));
  EXPECT_THAT(text, HasSubstr("on average; 1.25 of its lowest, of epoch 9; falling by a factor of"
                              " 0.794 an epoch\n"));
  EXPECT_THAT(text, HasSubstr("of samples; 0.98 of its highest, of epoch 7\n"));
  EXPECT_THAT(text, HasSubstr("terminal phase (train error 0) since epoch 5\n"));
}

TEST(Readings, TheFirstEpochHasNoCourse) {
  v1::Report report = report_to_read();
  history(report, "nc1.quotient", 1, 1, 12);
  EXPECT_THAT(readings(report, {}), HasSubstr("of between-class variance\n"));
}

TEST(Readings, MarkWhatPrecisionDoesNotResolve) {
  v1::Report report = report_to_read();
  EXPECT_FALSE(is_unresolved(report, "nc1.quotient"));
  EXPECT_THAT(report_table(report, 0, ClassOrder::kWorst, {}), Not(HasSubstr("~")));
  warn(report, "pinv_resolution");
  EXPECT_TRUE(is_unresolved(report, "nc1.pinv"));
  EXPECT_FALSE(is_unresolved(report, "nc1.quotient"));
  warn(report, "input_precision");
  EXPECT_TRUE(is_unresolved(report, "nc1.quotient"));
  EXPECT_FALSE(is_unresolved(report, "nc4.agreement"));
  EXPECT_THAT(report_table(report, 0, ClassOrder::kWorst, {}), HasSubstr("~0.003"));
  EXPECT_THAT(readings(report, {}), HasSubstr("(not resolved)"));
}

TEST(Readings, NoteStandardErrorsAndSamplesOfPairs) {
  v1::Report report = report_to_read();
  report.mutable_nc1()->set_cdnv(0.1);
  EXPECT_EQ(error_note(report, "nc1.cdnv"), "");
  report.mutable_nc1()->set_cdnv_standard_error(0.012);
  report.mutable_nc1()->set_jackknife_groups(16);
  EXPECT_EQ(error_note(report, "nc1.cdnv"), " +- 0.012 (standard error, 16 groups)");
  report.mutable_nc1()->set_cdnv_sampling_error(0.001);
  report.mutable_nc1()->set_sampled_pairs(65536);
  EXPECT_THAT(error_note(report, "nc1.cdnv"), HasSubstr(" +- 0.001 (of 65,536 sampled pairs)"));
  v1::EtfReport& means = *report.mutable_nc2()->mutable_means();
  means.set_max_angle_standard_error(0.002);
  means.set_sampled_pairs(65536);
  EXPECT_THAT(report_table(report, 0, ClassOrder::kWorst, {}),
              HasSubstr("means.max_angle +- 0.002 (of 65,536 sampled pairs)"));
}

v1::ClassReport& add_class(v1::Report& report, uint32_t label, uint64_t count, double variance,
                           double nearest, double accuracy) {
  v1::ClassReport& entry = *report.add_classes();
  entry.set_label(label);
  entry.set_count(count);
  entry.set_within_variance(variance);
  entry.set_nearest_distance(nearest);
  entry.set_classifier_accuracy(accuracy);
  return entry;
}

// Labels in the order of the table's rows.
std::vector<int> labels_of(const std::string& table) {
  std::vector<int> labels;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("      ")) labels.push_back(std::stoi(line));
  }
  return labels;
}

TEST(ClassTable, IsSortedByWhatIsWorst) {
  v1::Report report;
  add_class(report, 0, 30, 4, 10, 0.9);  // spread 0.04
  add_class(report, 1, 10, 1, 2, 0.95);  // 0.25
  add_class(report, 2, 20, 9, 100, 0.8);
  const auto labels = [&](const char* order, size_t rows) {
    return labels_of(class_table(report, rows, parse_class_order(order), {}));
  };
  EXPECT_EQ(labels("worst", 3), (std::vector{1, 0, 2}));
  EXPECT_EQ(labels("label", 3), (std::vector{0, 1, 2}));
  EXPECT_EQ(labels("count", 3), (std::vector{1, 2, 0}));
  EXPECT_EQ(labels("accuracy", 2), (std::vector{2, 0}));
  EXPECT_THAT(class_table(report, 2, ClassOrder::kWorst, {}), HasSubstr("2 of 3, largest spread"));
  EXPECT_EQ(class_table(report, 0, ClassOrder::kWorst, {}), "");
  EXPECT_THROW(parse_class_order("best"), InvalidArgument);
}

TEST(ClassTable, EqualMeansAreTheWorst) {
  v1::Report report;
  add_class(report, 0, 10, 5, 1, 1);
  add_class(report, 1, 10, 1e-9, 0, 1);
  EXPECT_EQ(labels_of(class_table(report, 2, ClassOrder::kWorst, {})), (std::vector{1, 0}));
}

TEST(ClassTable, WithoutDistancesVarianceDecides) {
  v1::Report report;
  for (uint32_t label : {0, 1, 2}) {
    v1::ClassReport& entry = *report.add_classes();
    entry.set_label(label);
    entry.set_within_variance(label == 1 ? 5 : 1);
  }
  EXPECT_EQ(labels_of(class_table(report, 9, ClassOrder::kWorst, {})), (std::vector{1, 0, 2}));
}

}  // namespace
}  // namespace ncscope::output
