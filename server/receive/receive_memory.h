// The bound on what has been received and not applied yet, all streams together.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "server/core/counters.h"

namespace ncscope::server {

// Thread-safe. Outlives its leases.
class ReceiveMemory {
 public:
  // Bytes that are taken; gives them back when it ends, which serves who waits. Movable.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Lease() {
      if (memory_ != nullptr) memory_->give_back(bytes_);
    }
    size_t bytes() const { return bytes_; }

   private:
    friend class ReceiveMemory;
    Lease(ReceiveMemory* memory, size_t bytes) : memory_(memory), bytes_(bytes) {}
    ReceiveMemory* memory_ = nullptr;
    size_t bytes_ = 0;
  };

  // Called by whoever makes room, without any lock of this class.
  using Granted = std::function<void(Lease)>;

  // Keeps `counters` up to date.
  ReceiveMemory(size_t limit, ReceiveCounters& counters);

  // Takes so many bytes now, if there is room and nobody waits, else `granted` gets them later:
  // first come, first served. What is larger than all there is gets it once nobody has any.
  std::optional<Lease> take(size_t bytes, const void* who, Granted granted);

  // `who` no longer waits. False where it did not, or is being granted right now.
  bool forget(const void* who);

 private:
  struct Waiter {
    size_t bytes;
    const void* who;
    Granted granted;
  };

  bool fits(size_t bytes) const {
    return used_ == 0 || (bytes <= limit_ && used_ <= limit_ - bytes);
  }
  void give_back(size_t bytes);

  const size_t limit_;
  ReceiveCounters& counters_;
  std::mutex mutex_;
  size_t used_ = 0;
  std::deque<Waiter> waiting_;
};

}  // namespace ncscope::server
