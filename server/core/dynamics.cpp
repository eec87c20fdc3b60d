#include "server/core/dynamics.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace ncscope::server {
namespace {

constexpr size_t kSlopeReports = 10;
constexpr const char* kAccuracy = "nc4.classifier_accuracy";

void add_metric(std::span<const HistoryPoint> history, const HistoryPoint& now, size_t index,
                v1::Dynamics& out) {
  if (!now.values[index]) return;
  const HistoryMetric& metric = history_metrics()[index];
  const double value = *now.values[index];
  std::optional<double> first;
  double best = 0;
  uint32_t best_epoch = 0;
  const auto look = [&](const HistoryPoint& point) {
    if (!point.values[index]) return;
    const double seen = *point.values[index];
    if (!first || (metric.highest_is_best ? seen > best : seen < best)) {
      best = seen;
      best_epoch = point.epoch;
    }
    if (!first) first = seen;
  };
  for (const HistoryPoint& point : history) look(point);
  look(now);
  v1::MetricHistory& entry = *out.add_metrics();
  entry.set_metric(metric.path);
  // Infinite where the value below is tiny: then there is none either.
  if (const double ratio = value / *first; std::isfinite(ratio)) entry.set_relative_to_first(ratio);
  if (const double ratio = value / best; std::isfinite(ratio)) entry.set_relative_to_best(ratio);
  entry.set_best_epoch(best_epoch);
}

}  // namespace

std::optional<double> pinv_slope(std::span<const HistoryPoint> history, const HistoryPoint& now) {
  history = history.last(std::min(history.size(), kSlopeReports - 1));
  std::vector<std::pair<double, double>> points;  // epochs before now, log10
  const auto add = [&](const HistoryPoint& point) {
    const std::optional<double> value = point.values[kPinvMetric];
    if (!value || *value <= 0) return;
    points.emplace_back(static_cast<double>(point.epoch) - static_cast<double>(now.epoch),
                        std::log10(*value));
  };
  for (const HistoryPoint& point : history) add(point);
  add(now);
  if (points.size() < 2) return std::nullopt;
  double x = 0, y = 0;
  for (const auto& [epoch, log] : points) {
    x += epoch / static_cast<double>(points.size());
    y += log / static_cast<double>(points.size());
  }
  double xx = 0, xy = 0;
  for (const auto& [epoch, log] : points) {
    xx += (epoch - x) * (epoch - x);
    xy += (epoch - x) * (log - y);
  }
  return xy / xx;
}

void fill_dynamics(ReportStore& reports, v1::Report& report) {
  const SeriesKey key = parse_key(report.key());
  const std::vector<HistoryPoint> history = reports.history(key);
  const HistoryPoint now{key.epoch, metric_values(report)};
  v1::Dynamics& out = *report.mutable_dynamics();
  auto terminal = reports.first_epoch(train_of(key), kAccuracy, 1);
  if (key.split == kTrainSplit) {
    // This report takes the place of one of the same epoch.
    if (terminal == key.epoch) terminal.reset();
    if (!terminal && report.nc4().classifier_accuracy() == 1 && !is_nc4_sampled(report)) {
      terminal = key.epoch;
    }
  }
  if (terminal) out.set_terminal_phase_epoch(*terminal);
  if (const auto slope = pinv_slope(history, now)) out.set_nc1_log10_slope(*slope);
  for (size_t i = 0; i < now.values.size(); ++i) add_metric(history, now, i, out);
}

}  // namespace ncscope::server
