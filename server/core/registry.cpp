#include "server/core/registry.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

[[noreturn]] void refuse_lower_attempt(const SeriesKey& key, uint32_t got, uint32_t known,
                                       const char* state) {
  throw FailedPrecondition("Open: attempt " + std::to_string(got) + " is lower than attempt " +
                           std::to_string(known) + ", which is " + state + ": " + describe(key));
}

}  // namespace

Registry::Found Registry::find_or_make(const SeriesKey& key, const v1::Open& open,
                                       const SeriesSpec& spec) {
  std::shared_ptr<Series> lower;
  std::shared_ptr<Series> made;
  {
    // Held over the look into the report store, so that no attempt is both streamed and reported.
    const std::lock_guard lock(mutex_);
    const auto found = series_.find(key);
    if (found != series_.end()) {
      const uint32_t attempt = found->second->attempt();
      if (attempt == open.attempt()) return found->second;
      if (attempt > open.attempt()) {
        refuse_lower_attempt(key, open.attempt(), attempt, "streamed");
      }
    }
    if (auto reported = services_.reports.find_attempt(key)) {
      if (reported->attempt == open.attempt()) return std::move(*reported);
      if (reported->attempt > open.attempt()) {
        refuse_lower_attempt(key, open.attempt(), reported->attempt, "reported");
      }
    }
    made = std::make_shared<Series>(
        key, open, spec, services_.logs.enabled() ? services_.logs.new_series() : nullptr,
        services_);
    if (found != series_.end()) {
      lower = std::exchange(found->second, made);
    } else if (series_.size() >= services_.limits.max_open_series) {
      throw ResourceExhausted("Open: " + std::to_string(series_.size()) +
                              " series are being streamed, which is the limit; close some or try"
                              " again later, or raise --max-open-series");
    } else {
      series_.emplace(key, made);
    }
  }
  if (lower) {
    lower->drop("attempt " + std::to_string(lower->attempt()) + " was dropped when attempt " +
                std::to_string(open.attempt()) + " was opened: " + describe(key));
  }
  return made;
}

bool Registry::adopt(const std::shared_ptr<Series>& series) {
  std::shared_ptr<Series> lower;
  {
    const std::lock_guard lock(mutex_);
    const auto [found, fresh] = series_.emplace(series->key(), series);
    if (fresh) return true;
    if (found->second->attempt() > series->attempt()) return false;
    lower = std::exchange(found->second, series);
  }
  lower->drop("attempt " + std::to_string(series->attempt()) + " was opened later");
  return true;
}

std::shared_ptr<Series> Registry::find_streaming(const SeriesKey& key) const {
  std::shared_ptr<Series> series;
  {
    const std::lock_guard lock(mutex_);
    const auto found = series_.find(key);
    if (found != series_.end()) series = found->second;
  }
  return series && !series->reported() ? series : nullptr;
}

std::vector<std::shared_ptr<Series>> Registry::all() const {
  std::vector<std::shared_ptr<Series>> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, series] : series_) out.push_back(series);
  return out;
}

std::vector<std::shared_ptr<Series>> Registry::complete(const SeriesKey& except) const {
  std::vector<std::shared_ptr<Series>> out = all();
  std::erase_if(out,
                [&](const auto& series) { return series->key() == except || !series->complete(); });
  std::stable_partition(out.begin(), out.end(),
                        [&](const auto& series) { return train_of(series->key()) != except; });
  return out;
}

void Registry::remove(const std::shared_ptr<Series>& series) {
  const std::lock_guard lock(mutex_);
  const auto found = series_.find(series->key());
  if (found != series_.end() && found->second == series) series_.erase(found);
}

size_t Registry::drop_run(const std::string& run) {
  std::vector<std::shared_ptr<Series>> dropped;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = series_.lower_bound(SeriesKey{run, 0, "", ""});
         it != series_.end() && it->first.run == run;) {
      dropped.push_back(std::move(it->second));
      it = series_.erase(it);
    }
  }
  for (const auto& series : dropped) series->drop("run '" + run + "' was deleted");
  return dropped.size();
}

bool Registry::drop_idlest(std::chrono::steady_clock::duration age, const SeriesKey& keep,
                           const MemoryBudget* budget) {
  std::vector<std::pair<std::chrono::steady_clock::time_point, std::shared_ptr<Series>>> idle;
  std::vector<std::shared_ptr<Series>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, series] : series_) {
      if (key != keep) all.push_back(series);
    }
  }
  for (const auto& series : all) {
    if (const auto since = series->idle_since()) idle.emplace_back(*since, series);
  }
  std::ranges::sort(idle, {}, [](const auto& entry) { return entry.first; });
  for (const auto& [since, series] : idle) {
    if (budget != nullptr && !series->holds(*budget)) continue;
    const std::string name = describe(series->key());
    if (!series->drop_if_idle(age,
                              "dropped because nothing was streamed for a long time and room"
                              " was needed: " +
                                  name)) {
      continue;  // somebody came back
    }
    spdlog::warn("dropped {}: no stream for a long time, and room is needed", name);
    remove(series);
    return true;
  }
  return false;
}

size_t Registry::size() const {
  const std::lock_guard lock(mutex_);
  return series_.size();
}

std::map<std::string, Registry::OpenRun> Registry::open_runs() const {
  std::map<std::string, OpenRun> runs;
  for (const auto& series : all()) {
    OpenRun& run = runs[series->key().run];
    ++run.series;
    run.lost += series->status().state == SeriesStatus::State::kLost;
  }
  return runs;
}

}  // namespace ncscope::server
