// Counts what is in progress, so that a shutdown can wait for it.
#pragma once

#include <atomic>
#include <cstddef>

namespace ncscope::server {

// One stream or state while it lives.
class Activity {
 public:
  explicit Activity(std::atomic<size_t>& count) : count_(count) { ++count_; }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  ~Activity() { --count_; }

 private:
  std::atomic<size_t>& count_;
};

}  // namespace ncscope::server
