#include "server/core/device_pool.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace ncscope::server {

DevicePool::DevicePool(const MakeDevice& make, size_t size)
    : max_reports_(std::max<size_t>(size, 2) - 1) {
  idle_.reserve(std::max<size_t>(size, 1));
  do {
    idle_.push_back(make());
    const std::string first = idle_.front()->info().backend;
    if (idle_.back()->info().backend != first) {
      // Where the backend is automatic: they could not take turns.
      throw BackendUnavailable("devices: " + std::to_string(idle_.size() - 1) + " of " +
                               std::to_string(size) + " fit on " + first +
                               "; ask for fewer, or name a backend");
    }
  } while (idle_.size() < size);
  info_ = idle_.front()->info();
  math_ = idle_.front()->math();
}

std::unique_ptr<Device> DevicePool::take(Job job) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return loss_ || (!idle_.empty() && (job == Job::kBatch || reports_ < max_reports_));
  });
  if (loss_) {
    lock.unlock();
    refuse();
  }
  std::unique_ptr<Device> device = std::move(idle_.back());
  idle_.pop_back();
  if (job == Job::kReport) ++reports_;
  return device;
}

void DevicePool::give_back(std::unique_ptr<Device> device, Job job) {
  if (device->lost()) lose("");  // before anybody else gets it
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(device));  // within the reserved capacity: does not throw
    if (job == Job::kReport) --reports_;
  }
  changed_.notify_all();
}

void DevicePool::lose(std::string why) {
  std::function<void()> tell;
  {
    const std::lock_guard lock(mutex_);
    if (loss_) return;
    loss_ = std::move(why);
    tell = std::move(on_loss_);
    spdlog::error("a device is lost, which only a new process cures: {}",
                  loss_->empty() ? "it says so itself" : *loss_);
  }
  changed_.notify_all();
  if (tell) tell();
}

void DevicePool::refuse() const {
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    if (!loss_->empty()) why = " (" + *loss_ + ")";
  }
  throw DeviceLost("a device was lost" + why + "; try again when the server has restarted");
}

void DevicePool::require_usable() const {
  if (lost()) refuse();
}

bool DevicePool::lost() const {
  const std::lock_guard lock(mutex_);
  return loss_.has_value();
}

void DevicePool::on_loss(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!loss_) {
      on_loss_ = std::move(callback);
      return;
    }
  }
  callback();
}

}  // namespace ncscope::server
