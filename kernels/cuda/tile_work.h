// What a device needs to work on a tile, apart from the sums themselves.
#pragma once

#include <vector>

#include "kernels/cuda/growing_buffer.h"
#include "kernels/cuda/handles.h"
#include "kernels/cuda/shift_tile.h"

namespace ncscope::cuda {

class TileWork {
 public:
  explicit TileWork(DeviceMemory& memory);

  // Makes room for rows of `dim` in `compute`; throws OutOfMemory.
  void grow(size_t dim, DType compute);
  // Puts the workspace into `tile`.
  void fill(size_t dim, ShiftTile& tile);

  // A plan to be written by the host, once the card has done with what was in it.
  TilePlan& next_plan();
  // Sends it to the card; returns its place there.
  const TilePlan* send_plan(cudaStream_t stream);
  // Says that all work on it has been given to `stream`.
  void release_plan(cudaStream_t stream);

 private:
  struct PlanSlot {
    PinnedMemory host;
    DeviceBuffer device;
    Event done;
  };

  DeviceMemory& memory_;
  GrowingBuffer shifted_;
  GrowingBuffer run_sums_;
  GrowingBuffer column_parts_;
  GrowingBuffer square_parts_;
  GrowingBuffer full_parts_;
  DeviceBuffer largest_;
  std::vector<PlanSlot> plans_;
  size_t plan_ = 0;
};

}  // namespace ncscope::cuda
