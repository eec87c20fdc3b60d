#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix_kernels.h"
#include "kernels/cuda/reduce.cuh"

namespace ncscope::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 32;
constexpr int kTileRowsAtOnce = 8;

// One block copies a tile of 32 x 32 through shared memory, so that both sides are read and written
// along rows. Grid: tiles of columns, tiles of rows; those left of the diagonal have nothing to do.
__global__ void __launch_bounds__(kTile* kTileRowsAtOnce) mirror_tiles(Matrix a) {
  __shared__ double tile[kTile][kTile + 1];
  if (blockIdx.x < blockIdx.y) return;
  const int x = static_cast<int>(threadIdx.x) % kTile;
  const int y = static_cast<int>(threadIdx.x) / kTile;
  const size_t row0 = static_cast<size_t>(blockIdx.y) * kTile;
  const size_t column0 = static_cast<size_t>(blockIdx.x) * kTile;
  for (int i = y; i < kTile; i += kTileRowsAtOnce) {
    const size_t row = row0 + i;
    const size_t column = column0 + x;
    if (row <= column && column < a.cols) tile[i][x] = a.data[row * a.stride + column];
  }
  __syncthreads();
  for (int i = y; i < kTile; i += kTileRowsAtOnce) {
    const size_t row = column0 + i;
    const size_t column = row0 + x;
    if (row < a.rows && column < row) a.data[row * a.stride + column] = tile[x][i];
  }
}

// One thread takes one element. Grid: rows, runs of columns.
template <class Body>
__global__ void __launch_bounds__(kThreads) for_elements(Matrix a, Body body) {
  const size_t row = blockIdx.x;
  const size_t column = static_cast<size_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (column < a.cols) body(row, column, a.data[row * a.stride + column]);
}

struct Scale {
  double factor;
  __device__ void operator()(size_t, size_t, double& x) const { x = factor == 0 ? 0 : factor * x; }
};

struct ScaleRow {
  const double* factors;
  __device__ void operator()(size_t row, size_t, double& x) const { x *= factors[row]; }
};

struct Subtract {
  const double* v;
  __device__ void operator()(size_t, size_t column, double& x) const { x -= v[column]; }
};

struct FindNonfinite {
  bool diagonal_only;
  int* found;
  __device__ void operator()(size_t row, size_t column, double& x) const {
    const bool looked_at = diagonal_only ? column == row : column <= row;
    if (looked_at && !isfinite(x)) atomicMax(found, 1);
  }
};

template <class Body>
void run(cudaStream_t stream, Matrix a, const Body& body) {
  launch(stream, dim3(static_cast<unsigned>(a.rows), blocks_of(a.cols, kThreads)), kThreads,
         for_elements<Body>, a, body);
}

// One block takes a row.
__global__ void __launch_bounds__(kThreads) dot_rows(ConstMatrix a, ConstMatrix b, double* out) {
  __shared__ double warps[kThreads / kWarp];
  const double* const x = a.data + blockIdx.x * a.stride;
  const double* const y = b.data + blockIdx.x * b.stride;
  double sum = 0;
  for (size_t j = threadIdx.x; j < a.cols; j += kThreads) sum += x[j] * y[j];
  sum = block_sum<kThreads>(sum, warps);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

}  // namespace

void mirror_upper(cudaStream_t stream, Matrix a) {
  const unsigned tiles = blocks_of(a.rows, kTile);
  launch(stream, dim3(tiles, tiles), kTile * kTileRowsAtOnce, mirror_tiles, a);
}

void scale(cudaStream_t stream, double factor, Matrix a) { run(stream, a, Scale{factor}); }

void scale_rows(cudaStream_t stream, const double* factors, Matrix a) {
  run(stream, a, ScaleRow{factors});
}

void subtract_row(cudaStream_t stream, const double* v, Matrix a) { run(stream, a, Subtract{v}); }

void row_dots(cudaStream_t stream, ConstMatrix a, ConstMatrix b, double* out) {
  launch(stream, dim3(static_cast<unsigned>(a.rows)), kThreads, dot_rows, a, b, out);
}

void find_nonfinite(cudaStream_t stream, ConstMatrix a, bool diagonal_only, int* found) {
  // Nothing is written through it.
  const Matrix looked_at(const_cast<double*>(a.data), a.rows, a.cols, a.stride);
  run(stream, looked_at, FindNonfinite{diagonal_only, found});
}

}  // namespace ncscope::cuda
