#include <algorithm>

#include "kernels/cuda/launch.h"
#include "tests/bench/cuda/made_up.h"

namespace ncscope::bench {
namespace {

constexpr int kThreads = 256;

// A number's hash, as in splitmix64.
__host__ __device__ inline uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

__host__ __device__ inline int32_t label_from(uint64_t row, size_t classes) {
  return static_cast<int32_t>(mixed(row ^ 0x1234567ULL << 20) % classes);
}

// In (-2, 2): the sum of four 16-bit numbers.
__device__ inline float number_at(uint64_t index, uint64_t seed) {
  const uint64_t bits = mixed(index ^ mixed(seed));
  float sum = 0;
  for (int shift = 0; shift < 64; shift += 16) {
    sum += static_cast<float>(static_cast<uint32_t>(bits >> shift & 0xffffu));
  }
  return (sum - 131070.0f) / 65536.0f;
}

// Round to nearest even, finite values.
__device__ inline uint32_t bf16_bits(float x) {
  const uint32_t bits = __float_as_uint(x);
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
__device__ inline float from_bf16(uint32_t bits) { return __uint_as_float(bits << 16); }

__device__ inline void store(float x, float* to) { *to = x; }
__device__ inline void store(float x, double* to) { *to = x; }
__device__ inline void store(float x, uint16_t* to) { *to = static_cast<uint16_t>(bf16_bits(x)); }

// One thread takes every (grid * kThreads)th element, in all of these.
__device__ inline size_t first_of() {
  return static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
}
__device__ inline size_t step_of() { return static_cast<size_t>(gridDim.x) * kThreads; }

template <class T>
__global__ void fill_numbers(T* out, size_t count, uint64_t seed) {
  for (size_t i = first_of(); i < count; i += step_of()) store(number_at(i, seed), out + i);
}

template <class T>
__global__ void fill_rows(T* out, size_t rows, size_t dim, size_t classes, uint64_t seed) {
  for (size_t i = first_of(); i < rows * dim; i += step_of()) {
    const size_t row = i / dim;
    const auto label = static_cast<size_t>(label_from(row, classes));
    const float mean = number_at(label * dim + (i - row * dim), seed);
    store(mean + 0.5f * number_at(i, seed + 1), out + i);
  }
}

__global__ void widen_numbers(const float* in, double* out, size_t count) {
  for (size_t i = first_of(); i < count; i += step_of()) out[i] = in[i];
}

// To the 10 bits of TF32's mantissa.
__device__ inline float tf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  return __uint_as_float((bits + 0xfffu + (bits >> 13 & 1)) & ~0x1fffu);
}

__global__ void split_to_tf32(const float* in, float* high, float* low, size_t count) {
  for (size_t i = first_of(); i < count; i += step_of()) {
    const float h = tf32(in[i]);
    high[i] = h;
    low[i] = tf32(in[i] - h);
  }
}

#if NCSCOPE_BENCH_HOST_CARD
__device__ inline Half half_of(uint32_t bits) { return from_bf16(bits); }
#else
__device__ inline Half half_of(uint32_t bits) { return static_cast<Half>(bits); }
#endif

__global__ void split_to_bf16(const float* in, Half* a, Half* b, Half* c, size_t count) {
  for (size_t i = first_of(); i < count; i += step_of()) {
    const float x = in[i];
    const uint32_t high = bf16_bits(x);
    const float rest = x - from_bf16(high);
    const uint32_t middle = bf16_bits(rest);
    a[i] = half_of(high);
    b[i] = half_of(middle);
    if (c != nullptr) c[i] = half_of(bf16_bits(rest - from_bf16(middle)));
  }
}

dim3 grid_for(size_t count) {
  constexpr size_t kMostBlocks = 4096;
  return dim3(
      static_cast<unsigned>(std::min<size_t>(kMostBlocks, cuda::blocks_of(count, kThreads))));
}

}  // namespace

void fill(cudaStream_t stream, float* out, size_t count, uint64_t seed) {
  cuda::launch(stream, grid_for(count), kThreads, fill_numbers<float>, out, count, seed);
}

void fill(cudaStream_t stream, double* out, size_t count, uint64_t seed) {
  cuda::launch(stream, grid_for(count), kThreads, fill_numbers<double>, out, count, seed);
}

int32_t label_of(uint64_t row, size_t classes) { return label_from(row, classes); }

std::vector<int32_t> labels_of(size_t rows, size_t classes) {
  std::vector<int32_t> labels(rows);
  for (size_t i = 0; i < rows; ++i) labels[i] = label_from(i, classes);
  return labels;
}

void fill_samples(cudaStream_t stream, DType type, void* out, size_t rows, size_t dim,
                  size_t classes, uint64_t seed) {
  const dim3 grid = grid_for(rows * dim);
  if (type == DType::kFloat32) {
    cuda::launch(stream, grid, kThreads, fill_rows<float>, static_cast<float*>(out), rows, dim,
                 classes, seed);
  } else {
    cuda::launch(stream, grid, kThreads, fill_rows<uint16_t>, static_cast<uint16_t*>(out), rows,
                 dim, classes, seed);
  }
}

void fill_means(cudaStream_t stream, double* out, size_t classes, size_t dim, uint64_t seed) {
  fill(stream, out, classes * dim, seed);
}

void widen(cudaStream_t stream, const float* in, double* out, size_t count) {
  cuda::launch(stream, grid_for(count), kThreads, widen_numbers, in, out, count);
}

void split_tf32(cudaStream_t stream, const float* in, float* high, float* low, size_t count) {
  cuda::launch(stream, grid_for(count), kThreads, split_to_tf32, in, high, low, count);
}

void split_bf16(cudaStream_t stream, const float* in, Half* a, Half* b, Half* c, size_t count) {
  cuda::launch(stream, grid_for(count), kThreads, split_to_bf16, in, a, b, c, count);
}

}  // namespace ncscope::bench
