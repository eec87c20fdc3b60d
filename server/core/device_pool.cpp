#include "server/core/device_pool.h"

#include <algorithm>

namespace ncscope::server {

DevicePool::Lease::Lease(Lease&& other) noexcept
    : pool_(other.pool_), device_(std::move(other.device_)), long_job_(other.long_job_) {}

DevicePool::Lease::~Lease() {
  if (device_) pool_->give_back(std::move(device_), long_job_);
}

DevicePool::DevicePool(const MakeDevice& make, size_t size)
    : max_long_jobs_(std::max<size_t>(size, 2) - 1) {
  idle_.reserve(std::max<size_t>(size, 1));
  do {
    idle_.push_back(make());
  } while (idle_.size() < size);
  info_ = idle_.front()->info();
}

DevicePool::Lease DevicePool::lease() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !idle_.empty(); });
  std::unique_ptr<Device> device = std::move(idle_.back());
  idle_.pop_back();
  return {*this, std::move(device), false};
}

DevicePool::Lease DevicePool::lease_for_report() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !idle_.empty() && long_jobs_ < max_long_jobs_; });
  std::unique_ptr<Device> device = std::move(idle_.back());
  idle_.pop_back();
  ++long_jobs_;
  return {*this, std::move(device), true};
}

void DevicePool::give_back(std::unique_ptr<Device> device, bool long_job) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(device));  // within the reserved capacity: does not throw
    if (long_job) --long_jobs_;
  }
  changed_.notify_all();
}

}  // namespace ncscope::server
