// SIGINT and SIGTERM, taken by a thread of their own: a signal handler only passes them on to it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace ncscope::server {

// Made before any other thread of ours, so that all of them inherit the blocked signals.
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  // Waits for the first signal, or for wake(); returns its number, 0 for wake().
  int wait();
  void wake();
  // Whether a second one came.
  bool impatient() const;

 private:
  void take_signals();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int first_ = 0;
  bool woken_ = false;
  int count_ = 0;
  std::thread thread_;
};

}  // namespace ncscope::server
