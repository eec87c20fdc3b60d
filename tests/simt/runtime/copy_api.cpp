// Copies and fills. One plan describes rows of bytes; a 1-D copy has one row.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "tests/simt/runtime/card.h"
#include "tests/simt/runtime/memory.h"
#include "tests/simt/runtime/streams.h"

using namespace ncscope::simt;

namespace {

struct Plan {
  char* to = nullptr;
  size_t to_pitch = 0;
  const char* from = nullptr;
  size_t from_pitch = 0;
  size_t width = 0;
  size_t height = 0;
};

enum class Place { kDevice, kPinned, kPageable };

Place place_of(const void* pointer) {
  const Allocation* allocation = memory().find(pointer);
  if (allocation == nullptr) return Place::kPageable;
  return allocation->pinned ? Place::kPinned : Place::kDevice;
}

bool in_bounds(const void* pointer, Place place, size_t pitch, const Plan& plan) {
  return place == Place::kPageable ||
         memory().holds(pointer, (plan.height - 1) * pitch + plan.width);
}

bool fits(cudaMemcpyKind kind, Place to, Place from) {
  const bool to_device = to == Place::kDevice;
  const bool from_device = from == Place::kDevice;
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !to_device && !from_device;
    case cudaMemcpyHostToDevice:
      return to_device && !from_device;
    case cudaMemcpyDeviceToHost:
      return !to_device && from_device;
    case cudaMemcpyDeviceToDevice:
      return to_device && from_device;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

void copy_rows(const Plan& plan, Place to, Place from) {
  for (size_t row = 0; row < plan.height; ++row) {
    char* out = plan.to + row * plan.to_pitch;
    const char* in = plan.from + row * plan.from_pitch;
    std::memmove(out, in, plan.width);
    if (to != Place::kDevice) continue;
    if (from == Place::kDevice) {
      memory().copy_states(out, in, plan.width);
    } else {
      memory().mark(out, plan.width, kWritten);
    }
  }
}

// The bytes of the host that a copy shall read, row after row.
std::vector<char> capture(const Plan& plan) {
  std::vector<char> bytes(plan.width * plan.height);
  for (size_t row = 0; row < plan.height; ++row) {
    std::memcpy(bytes.data() + row * plan.width, plan.from + row * plan.from_pitch, plan.width);
  }
  return bytes;
}

void expect_unchanged(const Plan& plan, const std::vector<char>& bytes) {
  for (size_t row = 0; row < plan.height; ++row) {
    const char* const now = plan.from + row * plan.from_pitch;
    if (std::memcmp(now, bytes.data() + row * plan.width, plan.width) == 0) continue;
    Finding finding;
    finding.kind = "host memory changed before its copy";
    finding.kernel = "a copy";
    finding.address = reinterpret_cast<uintptr_t>(now);
    finding.text = finding.kind + ": " + std::to_string(plan.height) + " x " +
                   std::to_string(plan.width) + " bytes to the card, row " + std::to_string(row);
    report(std::move(finding), cudaErrorLaunchFailure);
    return;
  }
}

// Takes a fault at once, or puts one that stays into the queue. True: the call ends with `status`.
bool faulted(CUstream_st* stream, cudaError_t& status) {
  const cudaError_t code = static_cast<cudaError_t>(take_fault(Fault::kMemcpy));
  if (code == cudaSuccess) return false;
  status = is_sticky(code) ? cudaSuccess : code;
  if (is_sticky(code)) enqueue(stream, [code] { card().sticky = code; });
  return true;
}

cudaError_t copy(const Plan& plan, cudaMemcpyKind kind, cudaStream_t handle, bool wait) {
  CUstream_st* stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (plan.width > plan.to_pitch || plan.width > plan.from_pitch) return cudaErrorInvalidPitchValue;
  cudaError_t status = cudaSuccess;
  if (faulted(stream, status)) {
    if (wait) drain_stream(stream);
    return status;
  }
  if (plan.width == 0 || plan.height == 0) return cudaSuccess;
  if (plan.to == nullptr || plan.from == nullptr) return cudaErrorInvalidValue;
  const Place to = place_of(plan.to);
  const Place from = place_of(plan.from);
  if (!fits(kind, to, from) || !in_bounds(plan.to, to, plan.to_pitch, plan) ||
      !in_bounds(plan.from, from, plan.from_pitch, plan)) {
    return cudaErrorInvalidValue;
  }
  const bool late = card().copies == Copies::kLate;
  if (to == Place::kDevice && from != Place::kDevice && (late || from == Place::kPageable)) {
    const auto bytes = std::make_shared<const std::vector<char>>(capture(plan));
    enqueue(stream, [plan, bytes, to, from, late] {
      if (late) expect_unchanged(plan, *bytes);
      Plan staged = plan;
      staged.from = bytes->data();
      staged.from_pitch = plan.width;
      copy_rows(late ? plan : staged, to, from);
    });
  } else {
    enqueue(stream, [plan, to, from] { copy_rows(plan, to, from); });
  }
  if (wait || to == Place::kPageable) drain_stream(stream);
  return cudaSuccess;
}

cudaError_t fill(const Plan& plan, int value, cudaStream_t handle) {
  CUstream_st* stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (plan.width > plan.to_pitch) return cudaErrorInvalidPitchValue;
  cudaError_t status = cudaSuccess;
  if (faulted(stream, status)) return status;
  if (plan.width == 0 || plan.height == 0) return cudaSuccess;
  const Place to = place_of(plan.to);
  if (to == Place::kPageable || !in_bounds(plan.to, to, plan.to_pitch, plan)) {
    return cudaErrorInvalidValue;
  }
  enqueue(stream, [plan, value] {
    for (size_t row = 0; row < plan.height; ++row) {
      std::memset(plan.to + row * plan.to_pitch, value, plan.width);
      memory().mark(plan.to + row * plan.to_pitch, plan.width, kWritten);
    }
  });
  return cudaSuccess;
}

Plan plan_of(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
             size_t height) {
  return {
      static_cast<char*>(to), to_pitch, static_cast<const char*>(from), from_pitch, width, height};
}

}  // namespace

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return call([&] { return copy(plan_of(to, bytes, from, bytes, bytes, 1), kind, nullptr, true); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call([&] { return copy(plan_of(to, bytes, from, bytes, bytes, 1), kind, stream, false); });
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t height, cudaMemcpyKind kind) {
  return call([&] {
    return copy(plan_of(to, to_pitch, from, from_pitch, width, height), kind, nullptr, true);
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return call([&] {
    return copy(plan_of(to, to_pitch, from, from_pitch, width, height), kind, stream, false);
  });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return call([&] { return fill(plan_of(to, bytes, nullptr, 0, bytes, 1), value, stream); });
}

cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  return call([&] { return fill(plan_of(to, pitch, nullptr, 0, width, height), value, stream); });
}
