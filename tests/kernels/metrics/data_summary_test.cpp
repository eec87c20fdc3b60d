#include <gtest/gtest.h>

#include <numeric>

#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class DataSummary : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(DataSummary);

TEST_P(DataSummary, CountsSamplesAndClasses) {
  Statistics s = oracle_statistics(small_samples(5, 1, {1, 2, 3, 4, 5, 6}, {1, 1, 1, 3, 4, 4}));
  s.skipped_nonfinite = 7;
  s.ignored = 8;
  const ReportValues report = compute_report(device(), s, nullptr, nullptr, {});
  EXPECT_EQ(report.number("data.samples"), 6);
  EXPECT_EQ(report.number("data.num_classes"), 5);
  EXPECT_EQ(report.number("data.present_classes"), 3);
  EXPECT_EQ(report.number("data.dim"), 1);
  EXPECT_EQ(report.number("data.min_class_count"), 1);
  EXPECT_EQ(report.number("data.max_class_count"), 3);
  EXPECT_EQ(report.number("data.singletons"), 1);
  EXPECT_EQ(report.number("data.absent_classes"), 2);
  EXPECT_EQ(report.lists().at("data.absent"), (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(report.number("data.skipped_nonfinite"), 7);
  EXPECT_EQ(report.number("data.ignored"), 8);
}

TEST_P(DataSummary, ListsTheFirstHundredAbsentClasses) {
  const ReportValues report = small_report(device(), small_samples(300, 1, {1, 2}, {0, 299}));
  std::vector<uint32_t> expected(100);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(report.lists().at("data.absent"), expected);
  EXPECT_EQ(report.number("data.absent_classes"), 298);
}

}  // namespace
}  // namespace ncscope::test
