#include "server/core/dynamics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"

namespace ncscope::testing {
namespace {

using server::HistoryPoint;
using server::pinv_slope;

HistoryPoint point(uint32_t epoch, std::optional<double> pinv) {
  HistoryPoint out{epoch, server::MetricValues(server::history_metrics().size())};
  out.values[server::kPinvMetric] = pinv;
  return out;
}

TEST(PinvSlope, ByHand) {
  EXPECT_FALSE(pinv_slope({}, point(0, 1)));
  const std::vector<HistoryPoint> one = {point(2, 100)};
  EXPECT_DOUBLE_EQ(*pinv_slope(one, point(4, 1)), -1);
  EXPECT_FALSE(pinv_slope(one, point(4, 0)));
  EXPECT_FALSE(pinv_slope(one, point(4, std::nullopt)));
  // Of log10 2, 0, 1 at 0, 1, 3: mean epoch 4/3, mean 1.
  const std::vector<HistoryPoint> two = {point(0, 100), point(1, 1)};
  const double xy = (-4.0 / 3) * 1 + (-1.0 / 3) * -1;
  const double xx = 16.0 / 9 + 1.0 / 9 + 25.0 / 9;
  EXPECT_NEAR(*pinv_slope(two, point(3, 10)), xy / xx, 1e-15);
}

TEST(PinvSlope, OfTheLastTenReports) {
  std::vector<HistoryPoint> history;
  for (uint32_t i = 0; i < 20; ++i)
    history.push_back(point(i, i < 11 ? 1 : std::pow(10, -1.0 * i)));
  EXPECT_NEAR(*pinv_slope(history, point(20, 1e-20)), -1, 1e-12);
  // One without a value is one of the ten.
  history[15].values[server::kPinvMetric].reset();
  EXPECT_NEAR(*pinv_slope(history, point(20, 1e-20)), -1, 1e-12);
  EXPECT_NE(*pinv_slope(std::span(history).first(19), point(19, 1e-19)), -1);
}

class DynamicsTest : public ::testing::Test {
 protected:
  // Stores a report of these values with its dynamics.
  v1::Dynamics report(uint32_t epoch, const std::string& split, double pinv, double accuracy,
                      const std::string& layer = "features") {
    v1::Report report;
    report.mutable_key()->set_run("run");
    report.mutable_key()->set_epoch(epoch);
    report.mutable_key()->set_split(split);
    report.mutable_key()->set_layer(layer);
    report.mutable_nc1()->set_pinv(pinv);
    report.mutable_nc4()->set_classifier_accuracy(accuracy);
    server::fill_dynamics(store_, report);
    store_.insert(report, {}, "f");
    return report.dynamics();
  }

  static const v1::MetricHistory* entry(const v1::Dynamics& dynamics, const std::string& metric) {
    for (const v1::MetricHistory& history : dynamics.metrics()) {
      if (history.metric() == metric) return &history;
    }
    return nullptr;
  }

  TemporaryFolder folder_;
  server::ReportStore store_{folder_ / "r.db"};
};

TEST_F(DynamicsTest, FirstAndBestValues) {
  const v1::Dynamics first = report(1, "train", 4, 0.5);
  EXPECT_EQ(first.metrics_size(), 2);
  EXPECT_EQ(entry(first, "nc1.pinv")->relative_to_first(), 1);
  EXPECT_EQ(entry(first, "nc1.pinv")->best_epoch(), 1u);
  EXPECT_FALSE(first.has_nc1_log10_slope());
  report(3, "train", 1, 0.9);
  const v1::Dynamics third = report(6, "train", 2, 0.8);
  EXPECT_EQ(entry(third, "nc1.pinv")->relative_to_first(), 0.5);
  EXPECT_EQ(entry(third, "nc1.pinv")->relative_to_best(), 2);
  EXPECT_EQ(entry(third, "nc1.pinv")->best_epoch(), 3u);
  const v1::MetricHistory* accuracy = entry(third, "nc4.classifier_accuracy");
  EXPECT_DOUBLE_EQ(accuracy->relative_to_best(), 0.8 / 0.9);
  EXPECT_EQ(accuracy->best_epoch(), 3u);
  // Later epochs are no history of earlier ones, nor are other splits and layers.
  const v1::Dynamics between = report(2, "train", 8, 0.7);
  EXPECT_EQ(entry(between, "nc1.pinv")->relative_to_best(), 2);
  EXPECT_EQ(entry(report(7, "test", 8, 0.7), "nc1.pinv")->relative_to_best(), 1);
  EXPECT_EQ(entry(report(7, "train", 8, 0.7, "conv"), "nc1.pinv")->relative_to_best(), 1);
}

TEST_F(DynamicsTest, NothingIsRelativeToZero) {
  report(0, "train", 0, 0);
  const v1::Dynamics next = report(1, "train", 3, 0.5);
  EXPECT_FALSE(entry(next, "nc1.pinv")->has_relative_to_first());
  EXPECT_FALSE(entry(next, "nc1.pinv")->has_relative_to_best());
  EXPECT_EQ(entry(next, "nc1.pinv")->best_epoch(), 0u);
  EXPECT_FALSE(entry(next, "nc4.classifier_accuracy")->has_relative_to_first());
  EXPECT_EQ(entry(next, "nc4.classifier_accuracy")->relative_to_best(), 1);
  EXPECT_FALSE(next.has_nc1_log10_slope());
}

TEST_F(DynamicsTest, TheTerminalPhaseBeginsWithTrainErrorZero) {
  EXPECT_FALSE(report(0, "train", 1, 0.9).has_terminal_phase_epoch());
  EXPECT_FALSE(report(0, "test", 1, 1).has_terminal_phase_epoch());
  EXPECT_EQ(report(4, "train", 1, 1).terminal_phase_epoch(), 4u);
  EXPECT_EQ(report(4, "test", 1, 0.8).terminal_phase_epoch(), 4u);
  EXPECT_FALSE(report(3, "test", 1, 1).has_terminal_phase_epoch());
  EXPECT_EQ(report(6, "train", 1, 0.9).terminal_phase_epoch(), 4u);
  EXPECT_FALSE(report(6, "train", 1, 0.9, "conv").has_terminal_phase_epoch());
  // A higher attempt of the epoch.
  EXPECT_FALSE(report(4, "train", 1, 0.9).has_terminal_phase_epoch());
}

}  // namespace
}  // namespace ncscope::testing
