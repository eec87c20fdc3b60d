#include "server/receive/worker_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include "kernels/errors.h"

namespace ncscope::server {
namespace {

constexpr size_t kAlways = 2;  // threads that are there from the start and never end
constexpr std::chrono::seconds kIdle{5};

}  // namespace

WorkerPool::WorkerPool(size_t most) : most_(std::max(most, kAlways)) {
  const std::lock_guard lock(mutex_);
  while (threads_ < kAlways) {
    if (!start_thread()) throw Error("the system has no thread for the server");
  }
}

WorkerPool::~WorkerPool() {
  std::unique_lock lock(mutex_);
  ending_ = true;
  changed_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

bool WorkerPool::start_thread() {
  try {
    std::thread([this] { work(); }).detach();
  } catch (const std::system_error&) {
    return false;
  }
  ++threads_;
  return true;
}

void WorkerPool::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  // Where the system has no more threads, the next one that is free takes it.
  if (tasks_.size() > idle_ && threads_ < most_) start_thread();
  changed_.notify_one();
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (tasks_.empty()) {
      if (ending_) break;
      ++idle_;
      const bool woken =
          changed_.wait_for(lock, kIdle, [this] { return !tasks_.empty() || ending_; });
      --idle_;
      if (!woken && threads_ > kAlways) break;
      continue;
    }
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
  --threads_;
  ended_.notify_all();
}

size_t WorkerPool::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_;
}

}  // namespace ncscope::server
