// Tells watchers and waiters about reports as they are made.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ncscope/v1/report.pb.h"

namespace ncscope::server {

struct PublishedReport {
  int64_t id = 0;
  std::shared_ptr<const v1::Report> report;
};

// What may wait for one watcher; one report always may.
struct QueueLimits {
  size_t reports = 256;
  size_t bytes = size_t{256} << 20;
};

class ReportHub;

// The reports that one watcher has not seen yet; a bounded queue. Used by one thread.
class Subscription {
 public:
  Subscription(std::string run, QueueLimits limits) : run_(std::move(run)), limits_(limits) {}

  // The next report, or nothing after `timeout`. Throws ResourceExhausted where the watcher fell
  // behind and reports were lost, Unavailable where the server shuts down.
  std::optional<PublishedReport> next(std::chrono::milliseconds timeout);

 private:
  friend class ReportHub;
  void push(const PublishedReport& report);
  void close();

  const std::string run_;  // empty: all
  const QueueLimits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PublishedReport> queue_;
  size_t queued_bytes_ = 0;
  bool overflowed_ = false;
  bool closed_ = false;
};

// Thread-safe.
class ReportHub {
 public:
  explicit ReportHub(QueueLimits limits = {}) : limits_(limits) {}

  // Reports of a run or, where empty, of all runs, from now on.
  std::shared_ptr<Subscription> subscribe(std::string run);
  void publish(const PublishedReport& report);
  // Ends every subscription, those to come too.
  void close();

  // A number that changes with every report.
  uint64_t version() const;
  // Returns when version() differs from `seen`, at the latest after `timeout`.
  void wait_for_change(uint64_t seen, std::chrono::milliseconds timeout);

 private:
  const QueueLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_;
  uint64_t version_ = 0;
  bool closed_ = false;
};

}  // namespace ncscope::server
