// Workspace of a device: made when first asked for, and kept.
#pragma once

#include <vector>

#include "kernels/cuda/card.h"
#include "kernels/errors.h"

namespace ncscope::cuda {

class DeviceMemory;

class GrowingBuffer {
 public:
  // At least `count` elements, of undefined content if it had to grow. Throws OutOfMemory.
  template <class T>
  T* get(DeviceMemory& memory, size_t count);

  // Whether there was anything to give back.
  bool release() {
    const bool any = buffer_.bytes() > 0;
    buffer_ = {};  // waits for work that uses it
    return any;
  }

 private:
  DeviceBuffer buffer_;
};

// The memory of one device: where the card has no more, what it keeps idle goes first.
class DeviceMemory {
 public:
  explicit DeviceMemory(Card& card) : card_(card) {}

  // Says that `buffer` is in use only within calls that use no other of these buffers.
  void may_release(GrowingBuffer& buffer) { idle_.push_back(&buffer); }

  // Throws OutOfMemory.
  DeviceBuffer allocate(size_t bytes) {
    try {
      return card_.allocate(bytes);
    } catch (const OutOfMemory&) {
      bool released = false;
      for (GrowingBuffer* buffer : idle_) released |= buffer->release();
      if (!released) throw;
    }
    return card_.allocate(bytes);
  }

 private:
  Card& card_;
  std::vector<GrowingBuffer*> idle_;
};

template <class T>
T* GrowingBuffer::get(DeviceMemory& memory, size_t count) {
  if (count * sizeof(T) > buffer_.bytes()) {
    buffer_ = {};  // first, so that both are never there
    buffer_ = memory.allocate(count * sizeof(T));
  }
  return buffer_.as<T>();
}

}  // namespace ncscope::cuda
