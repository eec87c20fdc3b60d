// Several arrays in one growing buffer.
#pragma once

#include "kernels/cuda/growing_buffer.h"

namespace ncscope::cuda {

class Workspace {
 public:
  Workspace(DeviceMemory& memory, GrowingBuffer& buffer) : memory_(memory), buffer_(buffer) {}

  // Runs `take_all`, which take()s the arrays, twice: to see what they need, and to place them.
  // Throws OutOfMemory.
  template <class TakeAll>
  void lay_out(const TakeAll& take_all) {
    base_ = nullptr;
    used_ = 0;
    take_all();
    base_ = buffer_.get<std::byte>(memory_, used_);
    used_ = 0;
    take_all();
  }

  template <class T>
  T* take(size_t count) {
    constexpr size_t kAlignment = 256;  // that of cudaMalloc
    const size_t place = used_;
    used_ += (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + place);
  }

 private:
  DeviceMemory& memory_;
  GrowingBuffer& buffer_;
  std::byte* base_ = nullptr;
  size_t used_ = 0;
};

}  // namespace ncscope::cuda
