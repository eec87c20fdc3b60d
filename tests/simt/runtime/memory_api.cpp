// Allocation, and what a pointer is.
#include "cuda_runtime.h"
#include "tests/simt/runtime/card.h"
#include "tests/simt/runtime/memory.h"
#include "tests/simt/runtime/streams.h"

using namespace ncscope::simt;

namespace {

cudaError_t allocate(void** pointer, size_t bytes, bool pinned) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  if (const int code = take_fault(pinned ? Fault::kPinned : Fault::kMalloc)) {
    if (is_sticky(code)) card().sticky = static_cast<cudaError_t>(code);
    return static_cast<cudaError_t>(code);
  }
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  const size_t used = memory().used(false);
  if (!pinned && (used > card().memory_bytes || bytes > card().memory_bytes - used)) {
    return cudaErrorMemoryAllocation;
  }
  *pointer = memory().allocate(bytes, pinned);
  return *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

// Works after a sticky error too, as destructors expect. The real runtime's free waits for the
// whole card.
cudaError_t release(void* pointer, bool pinned) {
  const Lock lock(card().mutex);
  if (pointer == nullptr) return cudaSuccess;
  drain_all();
  return memory().release(pointer, pinned) ? cudaSuccess : remember(cudaErrorInvalidValue);
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return call([&] { return allocate(pointer, bytes, false); });
}

cudaError_t cudaFree(void* pointer) { return release(pointer, false); }

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  return call([&] { return allocate(pointer, bytes, true); });
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes, unsigned flags) {
  return cudaHostAlloc(pointer, bytes, flags);
}

cudaError_t cudaFreeHost(void* pointer) { return release(pointer, true); }

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  return call([&] {
    if (free_bytes == nullptr || total == nullptr) return cudaErrorInvalidValue;
    const size_t used = memory().used(false);
    *total = card().memory_bytes;
    *free_bytes = used < *total ? *total - used : 0;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call([&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    *attributes = {cudaMemoryTypeUnregistered, -1, nullptr, const_cast<void*>(pointer)};
    const Allocation* allocation = memory().find(pointer);
    if (allocation == nullptr) return cudaSuccess;
    attributes->type = allocation->pinned ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
    attributes->device = 0;
    attributes->devicePointer = const_cast<void*>(pointer);
    if (!allocation->pinned) attributes->hostPointer = nullptr;
    return cudaSuccess;
  });
}

namespace ncscope::simt {

Allocations allocations() {
  const Lock lock(card().mutex);
  return {memory().count(false), memory().used(false)};
}

Allocations pinned_allocations() {
  const Lock lock(card().mutex);
  return {memory().count(true), memory().used(true)};
}

}  // namespace ncscope::simt
