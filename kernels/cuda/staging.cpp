#include "kernels/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "kernels/errors.h"

namespace ncscope::cuda {
namespace {

// Whether the card reads this host memory by itself; other memory is copied to some that it does.
bool is_pinned(const void* host) {
  cudaPointerAttributes attributes = {};
  NCSCOPE_CUDA_TRY(cudaPointerGetAttributes(&attributes, host));
  return attributes.type == cudaMemoryTypeHost;
}

// Rows of a batch that follow each other, and where the first of them goes.
struct RowRun {
  size_t place;
  size_t row;
  size_t rows;
};

std::vector<RowRun> runs_of(const std::vector<size_t>& rows) {
  std::vector<RowRun> runs;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!runs.empty() && rows[i] == runs.back().row + runs.back().rows) {
      ++runs.back().rows;
    } else {
      runs.push_back({i, rows[i], 1});
    }
  }
  return runs;
}

// With more of them in a slot, gathering the rows by the host costs less than starting copies.
constexpr size_t kMostRuns = 32;

}  // namespace

StagingRing::StagingRing(Card& card, size_t slots, size_t slot_bytes)
    : slot_bytes_(slot_bytes), stream_(make_stream()) {
  for (size_t i = 0; i < slots; ++i) {
    slots_.push_back(
        {allocate_pinned(slot_bytes), card.allocate(slot_bytes), make_event(), make_event()});
  }
}

StagingRing::~StagingRing() { cudaStreamSynchronize(stream_.get()); }

size_t StagingRing::rows_per_slot(size_t row_bytes) const {
  if (row_bytes > slot_bytes_) {
    throw OutOfMemory("staging: expected rows of at most " + std::to_string(slot_bytes_) +
                      " bytes, got " + std::to_string(row_bytes));
  }
  return slot_bytes_ / row_bytes;
}

StagedRows StagingRing::load(const Batch& batch, size_t& next, size_t limit, bool keep_dropped) {
  const size_t row_bytes = batch.dim * dtype_size(batch.type);
  limit = std::min(limit, rows_per_slot(row_bytes));
  StagedRows out;
  out.rows.reserve(std::min(limit, batch.rows - next));
  for (; next < batch.rows && out.rows.size() < limit; ++next) {
    if (keep_dropped || batch.labels[next] >= 0) out.rows.push_back(next);
  }
  if (out.rows.empty()) return out;

  out.slot = next_slot_;
  next_slot_ = (next_slot_ + 1) % slots_.size();
  const Slot& slot = slots_[out.slot];
  out.features = slot.device.data();
  const auto* const features = static_cast<const std::byte*>(batch.features);
  const std::vector<RowRun> runs = runs_of(out.rows);
  const bool from_callers =
      runs.size() <= kMostRuns && is_pinned(features + out.rows.front() * row_bytes);
  NCSCOPE_CUDA_TRY(cudaStreamWaitEvent(stream_.get(), slot.computed.get(), 0));
  if (from_callers) {
    reads_callers_ = true;
    for (const RowRun& run : runs) {
      copy(slot, run.place * row_bytes, features + run.row * row_bytes, run.rows * row_bytes);
    }
  } else {
    NCSCOPE_CUDA_TRY(cudaEventSynchronize(slot.copied.get()));  // what the slot held before
    auto* const host = static_cast<std::byte*>(slot.host.get());
    for (const RowRun& run : runs) {
      std::memcpy(host + run.place * row_bytes, features + run.row * row_bytes,
                  run.rows * row_bytes);
    }
    copy(slot, 0, host, out.rows.size() * row_bytes);
  }
  NCSCOPE_CUDA_TRY(cudaEventRecord(slot.copied.get(), stream_.get()));
  return out;
}

void StagingRing::copy(const Slot& slot, size_t offset, const std::byte* from, size_t bytes) {
  NCSCOPE_CUDA_TRY(cudaMemcpyAsync(slot.device.as<std::byte>() + offset, from, bytes,
                                   cudaMemcpyHostToDevice, stream_.get()));
}

void StagingRing::wait_for(const StagedRows& staged, cudaStream_t compute) {
  NCSCOPE_CUDA_TRY(cudaStreamWaitEvent(compute, slots_[staged.slot].copied.get(), 0));
}

void StagingRing::release(const StagedRows& staged, cudaStream_t compute) {
  NCSCOPE_CUDA_TRY(cudaEventRecord(slots_[staged.slot].computed.get(), compute));
}

void StagingRing::finish_copies() {
  if (!reads_callers_) return;
  NCSCOPE_CUDA_TRY(cudaStreamSynchronize(stream_.get()));
  reads_callers_ = false;
}

}  // namespace ncscope::cuda
