// The part of Engine that makes reports: at once, or when the train split they need is reported.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "server/core/engine.h"
#include "server/core/errors.h"

namespace ncscope::server {
namespace {

constexpr std::chrono::seconds kHeldInterval{1};

}  // namespace

CloseResult Engine::finish(const std::shared_ptr<Series>& series) {
  const SeriesKey& key = series->key();
  if (key.split != kTrainSplit) {
    // Held first: a train split that is reported from here on sees it.
    const auto counts = series->hold();
    const auto since = counts ? series->held_since() : std::nullopt;
    if (since && waits_for_train(*series, *since)) return *counts;
  }
  CloseResult result = series->report_if_complete();
  if (!result.report) return result;
  registry_.remove(series);
  if (key.split == kTrainSplit) report_held(&key);
  return result;
}

bool Engine::waits_for_train(const Series& series,
                             std::chrono::steady_clock::time_point complete_since) const {
  if (ending_ || series.key().split == kTrainSplit) return false;
  const SeriesKey train = train_of(series.key());
  if (std::chrono::steady_clock::now() - complete_since >= services_.limits.train_wait)
    return false;
  const auto streamed = registry_.find_streaming(train);
  if (!streamed || !streamed->is_alive(services_.limits.lease)) return false;
  const auto reported = services_.reports.find_statistics(train);
  return !reported || reported->epoch != train.epoch || reported->attempt != series.attempt();
}

size_t Engine::held() const {
  const auto all = registry_.all();
  return static_cast<size_t>(std::ranges::count_if(
      all, [](const auto& series) { return series->held_since().has_value(); }));
}

bool Engine::report_now(const std::shared_ptr<Series>& series) {
  try {
    services_.devices.require_usable();
    series->report_if_complete();
  } catch (const std::exception& error) {
    spdlog::warn("no report of {} yet: {}", describe(series->key()), error.what());
    return false;
  }
  registry_.remove(series);
  if (series->key().split == kTrainSplit) report_held(&series->key());
  return true;
}

bool Engine::take_room(const SeriesKey& key, const MemoryBudget* budget) {
  const auto complete = registry_.complete(key);
  if (budget != nullptr) {
    for (const auto& series : complete) {
      if (series->free_accumulators(*budget)) return true;
    }
  }
  for (const auto& series : complete) {
    if (series->failed_lately() || (budget != nullptr && !series->holds(*budget))) continue;
    if (report_now(series)) return true;
  }
  return false;
}

void Engine::report_complete(const std::function<bool()>& hurry) {
  ending_ = true;
  // Streams that are still open may complete others meanwhile.
  for (bool reported = true; reported;) {
    reported = false;
    auto complete = registry_.complete({});
    std::stable_partition(complete.begin(), complete.end(),
                          [](const auto& series) { return series->key().split == kTrainSplit; });
    for (const auto& series : complete) {
      if (services_.devices.lost() || hurry()) return;
      if (report_now(series)) reported = true;
    }
  }
}

void Engine::report_held(const SeriesKey* train, const std::stop_token& stop) {
  for (const auto& series : registry_.all()) {
    if (stop.stop_requested()) return;
    const auto since = series->held_since();
    const SeriesKey& key = series->key();
    if (!since || (train == nullptr ? series->failed_lately() : train_of(key) != *train)) continue;
    try {
      if (!waits_for_train(*series, *since)) report_now(series);
    } catch (const std::exception& error) {  // of the report store
      spdlog::warn("no report of {} yet: {}", describe(key), error.what());
    }
  }
}

// One a round, so that nothing waits for it long.
void Engine::bound_idle_log() {
  if (!services_.logs.beyond_budget()) return;
  for (const auto& series : registry_.all()) {
    if (series->bound_idle_log()) return;
  }
}

void Engine::watch_held(const std::stop_token& stop) {
  std::unique_lock lock(held_mutex_);
  while (
      !held_changed_.wait_for(lock, stop, kHeldInterval, [&] { return stop.stop_requested(); })) {
    try {
      if (services_.devices.lost()) continue;
      report_held(nullptr, stop);
      bound_idle_log();
    } catch (const std::exception& error) {
      spdlog::warn("no look at reports that wait: {}", error.what());
    }
  }
}

}  // namespace ncscope::server
