// Workspace of a device: made when first asked for, and kept.
#pragma once

#include "kernels/cuda/card.h"

namespace ncscope::cuda {

class GrowingBuffer {
 public:
  // At least `count` elements, of undefined content if it had to grow. Throws OutOfMemory.
  template <class T>
  T* get(Card& card, size_t count) {
    if (count * sizeof(T) > buffer_.bytes()) {
      buffer_ = {};  // first, so that both are never there
      buffer_ = card.allocate(count * sizeof(T));
    }
    return buffer_.as<T>();
  }

  // Whether there was anything to give back.
  bool release() {
    const bool any = buffer_.bytes() > 0;
    buffer_ = {};  // waits for work that uses it
    return any;
  }

 private:
  DeviceBuffer buffer_;
};

}  // namespace ncscope::cuda
