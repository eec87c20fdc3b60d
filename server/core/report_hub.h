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

class ReportHub;

// The reports that one watcher has not seen yet; a bounded queue. Used by one thread.
class Subscription {
 public:
  Subscription(std::string run, size_t capacity) : run_(std::move(run)), capacity_(capacity) {}

  // The next report, or nothing after `timeout`. Throws ResourceExhausted where the watcher fell
  // behind and reports were lost, Unavailable where the server shuts down.
  std::optional<PublishedReport> next(std::chrono::milliseconds timeout);

 private:
  friend class ReportHub;
  void push(const PublishedReport& report);
  void close();

  const std::string run_;  // empty: all
  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PublishedReport> queue_;
  bool overflowed_ = false;
  bool closed_ = false;
};

// Thread-safe.
class ReportHub {
 public:
  explicit ReportHub(size_t queue_capacity) : queue_capacity_(queue_capacity) {}

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
  const size_t queue_capacity_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_;
  uint64_t version_ = 0;
  bool closed_ = false;
};

}  // namespace ncscope::server
