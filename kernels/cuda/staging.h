// The way of samples to the card: slots of pinned host memory and device memory. One stream copies
// while another computes on what came before.
#pragma once

#include <vector>

#include "kernels/batch.h"
#include "kernels/cuda/card.h"
#include "kernels/cuda/handles.h"

namespace ncscope::cuda {

// Rows of a batch that lie in a slot, one after the other.
struct StagedRows {
  size_t slot = 0;
  const void* features = nullptr;  // [rows, dim] of the batch's type, device memory
  std::vector<size_t> rows;        // which rows of the batch they are
};

class StagingRing {
 public:
  // `slots` >= 2, each of `slot_bytes`. Throws OutOfMemory.
  StagingRing(Card& card, size_t slots, size_t slot_bytes);
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;
  ~StagingRing();

  // How many rows of so many bytes a slot holds. Throws OutOfMemory if not one.
  size_t rows_per_slot(size_t row_bytes) const;

  // Starts to copy up to `limit` rows of the batch from `next` on to the next slot, and moves
  // `next` behind them; without the dropped ones if `keep_dropped` is false. Fewer than `slots`
  // may be between load() and release(). `batch` is read until finish_copies().
  StagedRows load(const Batch& batch, size_t& next, size_t limit, bool keep_dropped);

  // Work that is then given to `compute` waits for the rows.
  void wait_for(const StagedRows& staged, cudaStream_t compute);
  // Says that all work that reads the rows has been given to `compute`.
  void release(const StagedRows& staged, cudaStream_t compute);

  // Waits until no copy reads memory of a caller any more.
  void finish_copies();
  // The same while an exception is on its way.
  void wait_quietly() noexcept { cudaStreamSynchronize(stream_.get()); }

 private:
  struct Slot {
    PinnedMemory host;
    DeviceBuffer device;
    Event copied;
    Event computed;
  };

  void copy(const Slot& slot, size_t offset, const std::byte* from, size_t bytes);

  size_t slot_bytes_;
  Stream stream_;
  std::vector<Slot> slots_;
  size_t next_slot_ = 0;
  bool reads_callers_ = false;  // whether copies from memory that is not ours may be under way
};

}  // namespace ncscope::cuda
