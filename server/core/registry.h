// The series that are being streamed.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "server/core/series.h"

namespace ncscope::server {

// Thread-safe. Its mutex is taken before that of the report store, and never together with those
// of a series.
class Registry {
 public:
  explicit Registry(Services& services) : services_(services) {}

  // The series that `open` is for: one that is streamed (made, if need be, in place of a lower
  // attempt), or a finished attempt. Throws FailedPrecondition if a higher attempt was opened,
  // ResourceExhausted if there are too many.
  using Found = std::variant<std::shared_ptr<Series>, ReportedAttempt>;
  Found find_or_make(const SeriesKey& key, const v1::Open& open, const SeriesSpec& spec);

  // Takes up a series of an earlier server, in place of a lower attempt, or of the same one that
  // was taken up before: logs are found oldest first, and a dropped one may not be gone yet. False
  // where a higher one is there.
  bool adopt(const std::shared_ptr<Series>& series);

  // Null if it is not being streamed, or reported already.
  std::shared_ptr<Series> find_streaming(const SeriesKey& key) const;

  // All of them.
  std::vector<std::shared_ptr<Series>> all() const;

  // Those whose ranks have all closed but the one of `except`; those that it is the train of last.
  std::vector<std::shared_ptr<Series>> complete(const SeriesKey& except) const;

  // Forgets a series; it is not changed.
  void remove(const std::shared_ptr<Series>& series);

  // Drops the series of a run; returns how many there were.
  size_t drop_run(const std::string& run);
  // Drops the series that had no stream for the longest time, `age` at least, but never `keep`; of
  // those that hold memory of `budget`, if one is given. False if there is none.
  bool drop_idlest(std::chrono::steady_clock::duration age, const SeriesKey& keep,
                   const MemoryBudget* budget = nullptr);

  size_t size() const;
  // Runs with series that are being streamed, by name, and how many.
  struct OpenRun {
    uint32_t series = 0;
    uint32_t lost = 0;
  };
  std::map<std::string, OpenRun> open_runs() const;

 private:
  Services& services_;
  mutable std::mutex mutex_;
  std::map<SeriesKey, std::shared_ptr<Series>> series_;
};

}  // namespace ncscope::server
