#include "tests/simt/kernels_under_test.h"

namespace ncscope::simt {
namespace {

constexpr unsigned kAll = 0xffffffffu;

cudaLaunchConfig_t shape(cudaStream_t stream, dim3 grid, dim3 block) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  return config;
}

__device__ float value_of(uint16_t bits) { return __uint_as_float(unsigned{bits} << 16); }

__global__ void __launch_bounds__(256)
    sum_blocks_kernel(const uint16_t* __restrict__ x, size_t n, float* __restrict__ out) {
  __shared__ float warps[8];
  const size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  float sum = i < n ? value_of(__ldg(x + i)) : 0.0f;
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(kAll, sum, offset);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < 8; ++w) sum += warps[w];
    out[blockIdx.x] = sum;
  }
}

__global__ void add_to_kernel(const int* in, int step, int* out, unsigned n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i] + step;
}

__global__ void count_kernel(unsigned* counts, int* largest, unsigned long long* smallest) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&counts[i % 7], 1u);
  atomicMax(largest, static_cast<int>(i));
  atomicMin(smallest, static_cast<unsigned long long>(i));
}

__global__ void exchange_kernel(double* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const double x = lane + 0.5;
  double* row = out + lane;
  row[0 * 32] = __shfl_sync(kAll, x, 3);
  row[1 * 32] = __shfl_sync(kAll, x, 3, 8);
  row[2 * 32] = __shfl_xor_sync(kAll, x, 5);
  row[3 * 32] = __shfl_down_sync(kAll, x, 9);
  row[4 * 32] = __shfl_up_sync(kAll, x, 9);
  row[5 * 32] = __shfl_down_sync(kAll, x, 3, 8);
  row[6 * 32] = __ballot_sync(kAll, lane % 3 == 0);
  row[7 * 32] = __any_sync(kAll, lane == 31) * 10 + __any_sync(kAll, lane == 32);
  row[8 * 32] = __all_sync(kAll, lane < 32) * 10 + __all_sync(kAll, lane < 31);
  // Two parts of the warp at once.
  const unsigned part = lane < 12 ? 0x00000fffu : 0xfffff000u;
  row[9 * 32] = __shfl_sync(part, lane, lane < 12 ? 11 - lane : lane);
}

__global__ void number_kernel(unsigned* out) {
  const unsigned x = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned y = blockIdx.y * blockDim.y + threadIdx.y;
  const unsigned z = blockIdx.z * blockDim.z + threadIdx.z;
  const unsigned i = (z * gridDim.y * blockDim.y + y) * gridDim.x * blockDim.x + x;
  out[i] = i;
}

__global__ void pass_kernel(int* out) {
  __shared__ int slot[32];
  const unsigned lane = threadIdx.x;
  int value = static_cast<int>(lane);
  for (int round = 0; round < 3; ++round) {
    slot[lane] = value;
    __syncwarp();
    value = slot[(lane + 1) % 32];
    __syncwarp();
  }
  out[lane] = value;
}

__global__ void pass_half_kernel(int* out) {
  __shared__ int slot[32];
  const unsigned lane = threadIdx.x;
  const unsigned half = lane / 16 * 16;
  const unsigned mask = half == 0 ? 0xffffu : 0xffff0000u;
  int value = static_cast<int>(lane);
  for (unsigned round = 0; round < 2 + half / 16; ++round) {
    slot[lane] = value;
    __syncwarp(mask);
    value = slot[half + (lane + 1) % 16];
    __syncwarp(mask);
  }
  out[lane] = value;
}

__global__ void neighbours_kernel(uint8_t* bytes, uint16_t* halves) {
  __shared__ uint8_t byte[64];
  __shared__ uint16_t half[64];
  const unsigned i = threadIdx.x;
  byte[i] = static_cast<uint8_t>(i);
  half[i] = static_cast<uint16_t>(i + byte[i]);
  bytes[i] = byte[i];
  halves[i] = half[i];
  __syncthreads();
  bytes[63 - i] = static_cast<uint8_t>(byte[i] + 1);
  halves[63 - i] = static_cast<uint16_t>(half[i] + 1);
}

__global__ void order_kernel(unsigned* counter, unsigned* order) {
  if (threadIdx.x == 0) order[atomicAdd(counter, 1u)] = blockIdx.x;
}

struct Offsets {
  int value[4];
};

__device__ int sum_of(const Offsets& offsets, const int (&table)[3], const uint3& index) {
  int sum = static_cast<int>(index.x);
  for (int i = 0; i < 4; ++i) sum += offsets.value[(i + index.x) % 4];
  for (int i = 0; i < 3; ++i) sum += table[(i + index.x) % 3];
  return sum;
}

__global__ void constants_kernel(Offsets offsets, int* out) {
  static constexpr int kTable[3] = {10, 20, 20};
  out[threadIdx.x] = sum_of(offsets, kTable, threadIdx);
}

}  // namespace

cudaError_t sum_blocks(cudaStream_t stream, const uint16_t* x, size_t n, float* out) {
  const auto config = shape(stream, static_cast<unsigned>((n + 255) / 256), 256);
  return cudaLaunchKernelEx(&config, sum_blocks_kernel, x, n, out);
}

cudaError_t add_to(cudaStream_t stream, const int* in, int step, int* out, unsigned n) {
  const auto config = shape(stream, (n + 63) / 64, 64);
  return cudaLaunchKernelEx(&config, add_to_kernel, in, step, out, n);
}

cudaError_t count_atomically(cudaStream_t stream, unsigned* counts, int* largest,
                             unsigned long long* smallest, unsigned blocks, unsigned threads) {
  const auto config = shape(stream, blocks, threads);
  return cudaLaunchKernelEx(&config, count_kernel, counts, largest, smallest);
}

cudaError_t exchange_lanes(cudaStream_t stream, double* out) {
  const auto config = shape(stream, 1, 32);
  return cudaLaunchKernelEx(&config, exchange_kernel, out);
}

cudaError_t number_3d(cudaStream_t stream, dim3 grid, dim3 block, unsigned* out) {
  const auto config = shape(stream, grid, block);
  return cudaLaunchKernelEx(&config, number_kernel, out);
}

cudaError_t pass_in_warp(cudaStream_t stream, int* out) {
  const auto config = shape(stream, 1, 32);
  return cudaLaunchKernelEx(&config, pass_kernel, out);
}

cudaError_t pass_in_half_warps(cudaStream_t stream, int* out) {
  const auto config = shape(stream, 1, 32);
  return cudaLaunchKernelEx(&config, pass_half_kernel, out);
}

cudaError_t neighbours(cudaStream_t stream, uint8_t* bytes, uint16_t* halves) {
  const auto config = shape(stream, 1, 64);
  return cudaLaunchKernelEx(&config, neighbours_kernel, bytes, halves);
}

cudaError_t order_of_blocks(cudaStream_t stream, unsigned* counter, unsigned* order,
                            unsigned blocks) {
  const auto config = shape(stream, blocks, 32);
  return cudaLaunchKernelEx(&config, order_kernel, counter, order);
}

cudaError_t read_constants(cudaStream_t stream, int* out) {
  const auto config = shape(stream, 1, 32);
  return cudaLaunchKernelEx(&config, constants_kernel, Offsets{{1, 2, 3, 4}}, out);
}

}  // namespace ncscope::simt
