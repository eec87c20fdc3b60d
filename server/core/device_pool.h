// Devices that sessions take turns with: a Device is used by one thread at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/device.h"

namespace ncscope::server {

using MakeDevice = std::function<std::unique_ptr<Device>()>;

// Thread-safe. Outlives its leases.
class DevicePool {
 public:
  class Lease {
   public:
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Device& operator*() const { return *device_; }

   private:
    friend class DevicePool;
    Lease(DevicePool& pool, std::unique_ptr<Device> device, bool long_job)
        : pool_(&pool), device_(std::move(device)), long_job_(long_job) {}

    DevicePool* pool_;
    std::unique_ptr<Device> device_;
    bool long_job_;
  };

  // Makes `size` >= 1 devices at once, so that a missing backend shows at start-up. Throws what
  // `make` throws.
  DevicePool(const MakeDevice& make, size_t size);

  // Waits for a device, for one batch.
  Lease lease();
  // The same for a job that takes long, a report. One device is always left to batches where there
  // are at least two.
  Lease lease_for_report();

  const DeviceInfo& info() const { return info_; }

 private:
  void give_back(std::unique_ptr<Device> device, bool long_job);

  DeviceInfo info_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Device>> idle_;
  size_t long_jobs_ = 0;
  size_t max_long_jobs_;
};

}  // namespace ncscope::server
