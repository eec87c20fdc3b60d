// What a kernel may call: indices, barriers, warp exchanges, atomics.
#pragma once

#include <cstdint>
#include <source_location>
#include <type_traits>

#include "simt_types.h"

// The runtime sets them before it resumes a thread. Constant as far as one thread can see, which
// also keeps them out of the access checks.
extern const uint3 threadIdx;
extern const uint3 blockIdx;
extern const dim3 blockDim;
extern const dim3 gridDim;
inline constexpr int warpSize = 32;

namespace ncscope::simt::device {

enum class Shuffle { kIndex, kXor, kDown, kUp };

// Where a kernel's source calls.
using Place = std::source_location;

// Waits for the lanes of `mask`; the value of the lane that `kind` and `operand` name.
uint64_t shuffle(unsigned mask, uint64_t value, Shuffle kind, unsigned operand, int width,
                 Place place);
// Waits for the lanes of `mask`; one bit per lane whose predicate holds.
unsigned ballot(unsigned mask, bool predicate, Place place);
void sync_warp(unsigned mask, Place place);
void sync_threads(Place place);

template <class T>
__forceinline__ T shuffle_value(unsigned mask, T value, Shuffle kind, unsigned operand, int width,
                                Place place) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = shuffle(mask, bits, kind, operand, width, place);
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace ncscope::simt::device

// The last argument is the caller's place.
#define SIMT_HERE ncscope::simt::device::Place place = ncscope::simt::device::Place::current()

__forceinline__ void __syncthreads(SIMT_HERE) { ncscope::simt::device::sync_threads(place); }
__forceinline__ void __syncwarp(unsigned mask = 0xffffffffu, SIMT_HERE) {
  ncscope::simt::device::sync_warp(mask, place);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
__forceinline__ T __shfl_sync(unsigned mask, T value, int lane, int width = warpSize, SIMT_HERE) {
  using namespace ncscope::simt::device;
  return shuffle_value(mask, value, Shuffle::kIndex, static_cast<unsigned>(lane), width, place);
}
template <class T>
__forceinline__ T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                                  SIMT_HERE) {
  using namespace ncscope::simt::device;
  return shuffle_value(mask, value, Shuffle::kXor, static_cast<unsigned>(lane_mask), width, place);
}
template <class T>
__forceinline__ T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                                   SIMT_HERE) {
  using namespace ncscope::simt::device;
  return shuffle_value(mask, value, Shuffle::kDown, delta, width, place);
}
template <class T>
__forceinline__ T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                                 SIMT_HERE) {
  using namespace ncscope::simt::device;
  return shuffle_value(mask, value, Shuffle::kUp, delta, width, place);
}

__forceinline__ unsigned __ballot_sync(unsigned mask, int predicate, SIMT_HERE) {
  return ncscope::simt::device::ballot(mask, predicate != 0, place);
}
__forceinline__ int __any_sync(unsigned mask, int predicate, SIMT_HERE) {
  return __ballot_sync(mask, predicate, place) != 0;
}
__forceinline__ int __all_sync(unsigned mask, int predicate, SIMT_HERE) {
  return __ballot_sync(mask, predicate, place) == mask;
}
#undef SIMT_HERE

// Each returns the old value.
int atomicAdd(int* address, int value);
unsigned atomicAdd(unsigned* address, unsigned value);
unsigned long long atomicAdd(unsigned long long* address, unsigned long long value);
int atomicMin(int* address, int value);
unsigned atomicMin(unsigned* address, unsigned value);
unsigned long long atomicMin(unsigned long long* address, unsigned long long value);
int atomicMax(int* address, int value);
unsigned atomicMax(unsigned* address, unsigned value);
unsigned long long atomicMax(unsigned long long* address, unsigned long long value);
