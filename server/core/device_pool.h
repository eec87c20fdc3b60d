// Devices that sessions take turns with: a Device is used by one thread at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "kernels/errors.h"

namespace ncscope::server {

using MakeDevice = std::function<std::unique_ptr<Device>()>;

// Thread-safe.
class DevicePool {
 public:
  enum class Job { kBatch, kReport };

  // Makes `size` >= 1 devices at once, so that a missing backend shows at start-up. Throws what
  // `make` throws.
  DevicePool(const MakeDevice& make, size_t size);

  // Waits for a device and returns action(device). A report takes long: one device is always left
  // to batches where there are at least two. Throws what the action throws, and DeviceLost from the
  // first device that is lost on.
  template <class Action>
  auto run(Job job, const Action& action) {
    const Lease device(*this, job);
    try {
      return action(*device);
    } catch (const DeviceLost& error) {
      lose(error.what());
      refuse();
    }
  }

  // Throws DeviceLost once a device is lost.
  void require_usable() const;
  bool lost() const;
  // Has `callback` called once, by the thread that loses a device; at once if one is lost already.
  void on_loss(std::function<void()> callback);

  const DeviceInfo& info() const { return info_; }
  Math math() const { return math_; }

 private:
  class Lease {
   public:
    Lease(DevicePool& pool, Job job) : pool_(pool), device_(pool.take(job)), job_(job) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_.give_back(std::move(device_), job_); }
    Device& operator*() const { return *device_; }

   private:
    DevicePool& pool_;
    std::unique_ptr<Device> device_;
    const Job job_;
  };

  std::unique_ptr<Device> take(Job job);
  void give_back(std::unique_ptr<Device> device, Job job);
  void lose(std::string why);
  [[noreturn]] void refuse() const;

  DeviceInfo info_;
  Math math_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Device>> idle_;
  size_t reports_ = 0;  // being made
  size_t max_reports_;
  std::optional<std::string> loss_;  // why a device was lost, if one was
  std::function<void()> on_loss_;
};

}  // namespace ncscope::server
