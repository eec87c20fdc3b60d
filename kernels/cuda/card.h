// The card, which all devices of a process share: who it is, and its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "kernels/device.h"

namespace ncscope::cuda {

class Card {
 public:
  // The first card that CUDA shows (CUDA_VISIBLE_DEVICES). `memory_bytes` limits what allocate()
  // gives out in all; the first call decides, 0 stands for nine tenths of what is free then. Throws
  // BackendUnavailable where there is no usable card.
  static Card& get(size_t memory_bytes = 0);

  // Uninitialised device memory. Throws OutOfMemory: the limit, or the card's.
  DeviceBuffer allocate(size_t bytes);

  const std::string& name() const { return name_; }
  const std::string& driver() const { return driver_; }  // newest CUDA that the driver serves
  uint32_t multiprocessors() const { return multiprocessors_; }
  size_t memory_bytes() const { return limit_; }
  size_t used_bytes() const;
  // The most that was used since reset_peak(), or since the start.
  size_t peak_bytes() const;
  void reset_peak();

 private:
  explicit Card(size_t memory_bytes);
  void give_back(size_t bytes);

  std::string name_;
  std::string driver_;
  uint32_t multiprocessors_ = 0;
  size_t limit_ = 0;
  mutable std::mutex mutex_;
  size_t used_ = 0;
  size_t peak_ = 0;
};

}  // namespace ncscope::cuda
