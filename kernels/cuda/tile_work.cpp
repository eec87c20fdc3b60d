#include "kernels/cuda/tile_work.h"

namespace ncscope::cuda {
namespace {

// Tiles that the host may be ahead of the card.
constexpr size_t kPlans = 4;

}  // namespace

TileWork::TileWork(DeviceMemory& memory)
    : memory_(memory), largest_(memory.allocate(sizeof(unsigned))) {
  for (size_t i = 0; i < kPlans; ++i) {
    plans_.push_back(
        {allocate_pinned(sizeof(TilePlan)), memory.allocate(sizeof(TilePlan)), make_event()});
  }
}

void TileWork::grow(size_t dim, DType compute) {
  ShiftTile ignored;
  shifted_.get<std::byte>(memory_, kTileRows * dim * dtype_size(compute));
  fill(dim, ignored);
}

void TileWork::fill(size_t dim, ShiftTile& tile) {
  const size_t parts = shift_parts(dim);
  tile.shifted = shifted_.get<std::byte>(memory_, 0);
  tile.run_sums = run_sums_.get<double>(memory_, kMostGroups * 2 * dim);
  tile.column_parts = column_parts_.get<double>(memory_, kMostGroups * dim);
  tile.square_parts = square_parts_.get<double>(memory_, kMostRuns * parts);
  tile.full_parts = full_parts_.get<double>(memory_, kMostGroups * parts);
  tile.largest = largest_.as<unsigned>();
}

TilePlan& TileWork::next_plan() {
  plan_ = (plan_ + 1) % kPlans;
  NCSCOPE_CUDA_TRY(cudaEventSynchronize(plans_[plan_].done.get()));
  return *static_cast<TilePlan*>(plans_[plan_].host.get());
}

const TilePlan* TileWork::send_plan(cudaStream_t stream) {
  const PlanSlot& slot = plans_[plan_];
  copy_plan(stream, static_cast<const TilePlan*>(slot.host.get()), slot.device.as<TilePlan>());
  return slot.device.as<TilePlan>();
}

void TileWork::release_plan(cudaStream_t stream) {
  NCSCOPE_CUDA_TRY(cudaEventRecord(plans_[plan_].done.get(), stream));
}

}  // namespace ncscope::cuda
