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
  for (; next < batch.rows && out.rows.size() < limit; ++next) {
    if (keep_dropped || batch.labels[next] >= 0) out.rows.push_back(next);
  }
  if (out.rows.empty()) return out;

  out.slot = next_slot_;
  next_slot_ = (next_slot_ + 1) % slots_.size();
  const Slot& slot = slots_[out.slot];
  out.features = slot.device.data();
  const auto* const features = static_cast<const std::byte*>(batch.features);
  const std::byte* from = features + out.rows.front() * row_bytes;
  const bool contiguous = out.rows.back() - out.rows.front() + 1 == out.rows.size();
  if (contiguous && is_pinned(from)) {
    reads_callers_ = true;
  } else {
    NCSCOPE_CUDA_TRY(cudaEventSynchronize(slot.copied.get()));  // what the slot held before
    auto* to = static_cast<std::byte*>(slot.host.get());
    for (size_t i = 0; i < out.rows.size();) {
      size_t run = 1;
      while (i + run < out.rows.size() && out.rows[i + run] == out.rows[i] + run) ++run;
      std::memcpy(to + i * row_bytes, features + out.rows[i] * row_bytes, run * row_bytes);
      i += run;
    }
    from = to;
  }
  copy(slot, from, out.rows.size() * row_bytes);
  return out;
}

void StagingRing::copy(const Slot& slot, const std::byte* from, size_t bytes) {
  NCSCOPE_CUDA_TRY(cudaStreamWaitEvent(stream_.get(), slot.computed.get(), 0));
  NCSCOPE_CUDA_TRY(
      cudaMemcpyAsync(slot.device.data(), from, bytes, cudaMemcpyHostToDevice, stream_.get()));
  NCSCOPE_CUDA_TRY(cudaEventRecord(slot.copied.get(), stream_.get()));
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
