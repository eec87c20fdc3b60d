// Threads for the loops of ours that BLAS does not run.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace ncscope {

class ThreadPool {
 public:
  // `threads` counts the caller of run(), so that 1 starts none.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // The pool of this process, with as many threads as BLAS would take. It lives while someone holds
  // it.
  static std::shared_ptr<ThreadPool> shared();

  size_t threads() const { return workers_.size() + 1; }

  // Calls task(0) .. task(count - 1), on any thread and in any order, and returns when all are
  // done. The first exception of a task is thrown again here, after the others have ended. Several
  // threads may call at once; a task may not.
  void run(size_t count, const std::function<void(size_t)>& task);

 private:
  struct Job;

  static void work(Job& job);
  void serve();
  void remove(const Job* job);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  bool stopping_ = false;
  std::vector<Job*> jobs_;  // those with tasks that nobody has taken
  std::vector<std::thread> workers_;
};

}  // namespace ncscope
