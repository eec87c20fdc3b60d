// Sums over the threads of a warp or block, in a fixed order.
#pragma once

#include <cuda_runtime.h>

namespace ncscope::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// Every lane gets the sum.
__device__ inline double warp_sum(double x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
  return x;
}

__device__ inline float warp_max(float x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const float other = __shfl_xor_sync(kAllLanes, x, offset);
    x = other > x ? other : x;
  }
  return x;
}

// Thread 0 gets the sum over a block of kThreads; `warps` is shared memory of kThreads / kWarp
// elements that nobody uses until the next barrier of the caller.
template <int kThreads>
__device__ inline double block_sum(double x, double* warps) {
  x = warp_sum(x);
  if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = x;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < kThreads / kWarp; ++w) x += warps[w];
  }
  return x;
}

// Raises *target to x >= 0, whose bits are ordered like its value: no order of the threads shows.
__device__ inline void raise_to(unsigned* target, float x) {
  atomicMax(target, __float_as_uint(x));
}
__device__ inline void raise_to(unsigned long long* target, double x) {
  atomicMax(target, static_cast<unsigned long long>(__double_as_longlong(x)));
}

}  // namespace ncscope::cuda
