#include <algorithm>

#include "kernels/cuda/add_scatter.h"
#include "kernels/cuda/launch.h"
#include "kernels/device.h"

namespace ncscope::cuda {
namespace {

constexpr int kThreads = 256;

// The power of two by which a tile is multiplied: 1 where its products fit as they are, else the
// largest magnitude comes to lie in [1, 2).
__device__ double scale_of(const unsigned* largest) {
  const double magnitude = __uint_as_float(*largest);
  if (magnitude == 0 || (magnitude > 0x1p-50 && magnitude < 0x1p57)) return 1;
  return scalbn(1.0, -ilogb(magnitude));
}

// kTileRows squares below 2^114 sum to less than 2^128, and 2^-24 of one above 2^-100 is normal.
static_assert(kTileRows <= 4096);

__global__ void __launch_bounds__(kThreads)
    scale_elements(const unsigned* largest, float* tile, size_t count) {
  const double scale = scale_of(largest);
  if (scale == 1) return;
  const size_t step = static_cast<size_t>(gridDim.x) * kThreads;
  for (size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step) {
    tile[i] = static_cast<float>(tile[i] * scale);
  }
}

// One thread adds one element. Grid: rows, runs of kThreads columns from the diagonal on.
__global__ void __launch_bounds__(kThreads)
    add_elements(const unsigned* largest, const float* partial, size_t dim, double* scatter) {
  const size_t row = blockIdx.x;
  const size_t column = row + static_cast<size_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (column >= dim) return;
  // Of a power of two: exact.
  const double unscale = 1 / scale_of(largest);
  scatter[row * dim + column] += partial[row * dim + column] * unscale * unscale;
}

}  // namespace

void scale_tile(cudaStream_t stream, const unsigned* largest, float* tile, size_t count) {
  constexpr size_t kMostBlocks = 512;
  const auto blocks =
      static_cast<unsigned>(std::min<size_t>(kMostBlocks, blocks_of(count, kThreads)));
  launch(stream, dim3(blocks), kThreads, scale_elements, largest, tile, count);
}

void add_scatter(cudaStream_t stream, const unsigned* largest, const float* partial, size_t dim,
                 double* scatter) {
  launch(stream, dim3(static_cast<unsigned>(dim), blocks_of(dim, kThreads)), kThreads, add_elements,
         largest, partial, dim, scatter);
}

}  // namespace ncscope::cuda
