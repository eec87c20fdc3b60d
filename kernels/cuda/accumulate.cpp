// CudaDevice: the one pass over the samples (METRICS.md section 3.1). Rows wait, as they came,
// until a tile is full: what is summed in which order depends on the tile alone, not on the
// batches.
#include "kernels/cuda/add_scatter.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/errors.h"

namespace ncscope::cuda {
namespace {

// The last work on class sums: what another device waits for.
struct InFlight {
  Event done = make_event();
  const CudaDevice* device = nullptr;
};

}  // namespace

// Orders a call's work on the sums behind that of other devices, and says so when it is there.
class CudaDevice::SumsInUse {
 public:
  SumsInUse(CudaDevice& device, ClassSums& sums) : device_(device) {
    if (!sums.in_flight) sums.in_flight = std::make_shared<InFlight>();
    in_flight_ = static_cast<InFlight*>(sums.in_flight.get());
    if (in_flight_->device != &device) {
      NCSCOPE_CUDA_TRY(cudaStreamWaitEvent(device.stream_.get(), in_flight_->done.get(), 0));
    }
    // Until it is recorded below, nobody knows what is under way: a failure is the sums' end.
    in_flight_->device = &device;
  }
  void record() {
    NCSCOPE_CUDA_TRY(cudaEventRecord(in_flight_->done.get(), device_.stream_.get()));
  }

 private:
  CudaDevice& device_;
  InFlight* in_flight_;
};

void CudaDevice::do_accumulate(const Batch& batch, ClassSums& sums) {
  // What is ours to run out of memory for comes before anything changes.
  sums.waiting.reserve(kTileRows);
  tile_.grow(sums.dim, sums.compute);
  const size_t limit = staging_.rows_per_slot(batch.dim * dtype_size(batch.type));
  SumsInUse use(*this, sums);
  const uint64_t samples = sums.samples;
  try {
    finish_or_wait([&] {
      for (size_t next = 0; next < batch.rows;) {
        const StagedRows staged = staging_.load(batch, next, limit, false);
        if (staged.rows.empty()) break;
        staging_.wait_for(staged, stream_.get());
        take_rows(staged, batch, sums);
        staging_.release(staged, stream_.get());
      }
      use.record();
      staging_.finish_copies();  // the batch is the caller's again
    });
  } catch (const OutOfMemory& error) {
    // Of the driver, which loads kernels when they are first launched, or of a library.
    if (sums.samples == samples) throw;
    throw DeviceError("accumulate: part of a batch was added when memory ran out: " +
                      std::string(error.what()));
  }
}

void CudaDevice::take_rows(const StagedRows& staged, const Batch& batch, ClassSums& sums) {
  const size_t row_bytes = batch.dim * dtype_size(batch.type);
  for (size_t used = 0; used < staged.rows.size();) {
    const size_t waiting = sums.tile_fill;
    const size_t count = std::min(staged.rows.size() - used, kTileRows - waiting);
    for (size_t i = 0; i < count; ++i) {
      const int32_t label = batch.labels[staged.rows[used + i]];
      sums.waiting.push_back(label);
      ++sums.counts[static_cast<size_t>(label)];
    }
    sums.samples += count;
    sums.tile_fill += count;
    const auto* const rows = static_cast<const std::byte*>(staged.features) + used * row_bytes;
    if (sums.tile_fill == kTileRows) {
      process_tile(sums, waiting, rows);
    } else {
      NCSCOPE_CUDA_TRY(cudaMemcpyAsync(sums.tile.as<std::byte>() + waiting * row_bytes, rows,
                                       count * row_bytes, cudaMemcpyDeviceToDevice, stream_.get()));
    }
    used += count;
  }
}

void CudaDevice::do_flush(ClassSums& sums) {
  tile_.grow(sums.dim, sums.compute);
  SumsInUse use(*this, sums);
  if (sums.tile_fill > 0) process_tile(sums, sums.tile_fill, nullptr);
  use.record();
}

void CudaDevice::do_await(ClassSums& sums) {
  SumsInUse use(*this, sums);
  use.record();
}

void CudaDevice::process_tile(ClassSums& sums, size_t waiting, const void* other_rows) {
  TilePlan& plan = tile_.next_plan();
  planner_.plan(sums.waiting, sums.num_classes, sums.settled, plan);
  ShiftTile tile;
  tile_.fill(sums.dim, tile);
  tile.plan = tile_.send_plan(stream_.get());
  tile.waiting_rows = sums.tile.data();
  tile.other_rows = other_rows;
  tile.waiting = static_cast<int>(waiting);
  tile.dim = sums.dim;
  tile.references = sums.references.data();
  tile.sums = sums.sums.as<double>();
  tile.squares = sums.squares.as<double>();
  tile.column_squares = sums.column_squares.as<double>();
  tile.sum_squares = sums.sum_squares.as<double>();
  NCSCOPE_CUDA_TRY(cudaMemsetAsync(tile.largest, 0, sizeof(unsigned), stream_.get()));
  shift_tile(stream_.get(), sums.type, sums.compute, plan, tile);
  add_products(sums, tile);
  tile_.release_plan(stream_.get());
  for (int32_t i = 0; i < plan.settles; ++i) {
    sums.settled[static_cast<size_t>(plan.classes_at[plan.settle[i]].label)] = 1;
  }
  sums.waiting.clear();
  sums.tile_fill = 0;
}

// Row-major [rows, d] is column-major [d, rows], and an upper triangle a lower one.
void CudaDevice::add_products(ClassSums& sums, const ShiftTile& tile) {
  const auto d = static_cast<int64_t>(sums.dim);
  const auto rows = static_cast<int64_t>(sums.tile_fill);
  auto* const scatter = sums.scatter.as<double>();
  if (sums.compute == DType::kFloat64) {
    const double one = 1;
    NCSCOPE_CUDA_TRY(cublasDsyrk_64(cublas_.get(), CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, d, rows,
                                    &one, static_cast<const double*>(tile.shifted), d, &one,
                                    scatter, d));
    return;
  }
  auto* const shifted = static_cast<float*>(tile.shifted);
  auto* const partial = sums.partial.as<float>();
  const float one = 1;
  const float zero = 0;
  scale_tile(stream_.get(), tile.largest, shifted, sums.tile_fill * sums.dim);
  NCSCOPE_CUDA_TRY(cublasSsyrk_64(cublas_.get(), CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, d, rows, &one,
                                  shifted, d, &zero, partial, d));
  add_scatter(stream_.get(), tile.largest, partial, sums.dim, scatter);
}

}  // namespace ncscope::cuda
