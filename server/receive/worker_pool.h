// Threads for what may block.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace ncscope::server {

// As many threads as there are tasks in progress, up to a bound: a task that waits, for a device or
// for a report, holds up no other. Threads that have had nothing to do for some seconds end.
class WorkerPool {
 public:
  explicit WorkerPool(size_t most);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool();  // runs what is queued, then waits for all threads

  // Tasks begin in this order, and do not throw.
  void post(std::function<void()> task);

  size_t threads() const;

 private:
  bool start_thread();  // false where the system has none
  void work();

  const size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> tasks_;
  size_t threads_ = 0;
  size_t idle_ = 0;
  bool ending_ = false;
};

}  // namespace ncscope::server
