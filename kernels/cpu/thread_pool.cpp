#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>

#include "kernels/cpu/blas_library.h"

namespace ncscope {

struct ThreadPool::Job {
  const std::function<void(size_t)>& task;
  const size_t count;
  std::atomic<size_t> next{0};
  size_t helpers = 0;  // workers inside work(); guarded by mutex_
  std::mutex error_mutex{};
  std::exception_ptr error{};
};

ThreadPool::ThreadPool(size_t threads) {
  for (size_t i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

std::shared_ptr<ThreadPool> ThreadPool::shared() {
  static std::mutex mutex;
  static std::weak_ptr<ThreadPool> held;
  const std::lock_guard lock(mutex);
  std::shared_ptr<ThreadPool> pool = held.lock();
  if (!pool) {
    pool = std::make_shared<ThreadPool>(static_cast<size_t>(blas::take_threads()));
    held = pool;
  }
  return pool;
}

void ThreadPool::run(size_t count, const std::function<void(size_t)>& task) {
  if (count <= 1 || workers_.empty()) {
    for (size_t i = 0; i < count; ++i) task(i);
    return;
  }
  Job job{task, count};
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(&job);
  }
  wake_.notify_all();
  work(job);
  std::unique_lock lock(mutex_);
  remove(&job);
  done_.wait(lock, [&job] { return job.helpers == 0; });
  if (job.error) std::rethrow_exception(job.error);
}

void ThreadPool::work(Job& job) {
  for (size_t i = job.next.fetch_add(1); i < job.count; i = job.next.fetch_add(1)) {
    try {
      job.task(i);
    } catch (...) {
      const std::lock_guard lock(job.error_mutex);
      if (!job.error) job.error = std::current_exception();
    }
  }
}

void ThreadPool::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job* const job = jobs_.front();
    ++job->helpers;
    lock.unlock();
    work(*job);
    lock.lock();
    remove(job);
    if (--job->helpers == 0) done_.notify_all();
  }
}

void ThreadPool::remove(const Job* job) { std::erase(jobs_, job); }

}  // namespace ncscope
