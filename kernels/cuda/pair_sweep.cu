#include <cmath>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/pair_part.cuh"

namespace ncscope::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kRows = 16;  // of a block, whose columns are kThreads
constexpr double kFar = HUGE_VAL;

// Distances below this share of the squared norms are taken from differences instead: what is left
// then is good to 2^-53 / 2^-10, about 1e-13.
constexpr double kCancels = 0x1p-10;

// The class nearest so far; of equally near ones the lowest.
struct Nearest {
  double square;
  int index;

  __device__ void keep(double other_square, int other) {
    if (other_square < square || (other_square == square && other < index)) {
      square = other_square;
      index = other;
    }
  }
};

// Every lane gets the nearest of all.
__device__ Nearest warp_nearest(Nearest x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const double square = __shfl_xor_sync(kAllLanes, x.square, offset);
    x.keep(square, __shfl_xor_sync(kAllLanes, x.index, offset));
  }
  return x;
}

// Squared distances of two rows, and of their directions.
struct PairSquares {
  double rows;
  double units;
};

// Those of class r from the classes of the lanes in `lanes`, from differences: the lanes of a warp
// take the columns of one pair after the other. With e = y - x and ||x|| <= ||y|| the directions
// differ by (e - (||y|| - ||x||) x / ||x||) / ||y||, and ||y|| - ||x|| = <e, x + y> / (||x|| +
// ||y||).
__device__ void recompute(const PairClasses& all, unsigned lanes, int r, int c,
                          PairSquares& squares) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  while (lanes != 0) {
    const int of = __ffs(static_cast<int>(lanes)) - 1;
    lanes &= lanes - 1;
    const int other = __shfl_sync(kAllLanes, c, of);
    const bool swap = all.squared_norms[r] > all.squared_norms[other];
    const int shorter = swap ? other : r;
    const int longer = swap ? r : other;
    const double* const x = all.rows + static_cast<size_t>(shorter) * all.stride;
    const double* const y = all.rows + static_cast<size_t>(longer) * all.stride;
    double square = 0;
    double growth = 0;
    for (size_t j = static_cast<size_t>(lane); j < all.dim; j += kWarp) {
      const double difference = y[j] - x[j];
      square += difference * difference;
      growth += difference * (y[j] + x[j]);
    }
    square = warp_sum(square);
    if (lane == of) squares.rows = square;
    if (all.inverse_norms[shorter] == 0) continue;
    const double x_norm = sqrt(all.squared_norms[shorter]);
    const double y_norm = sqrt(all.squared_norms[longer]);
    const double factor = warp_sum(growth) / (x_norm + y_norm) / x_norm;
    double residual = 0;
    for (size_t j = static_cast<size_t>(lane); j < all.dim; j += kWarp) {
      const double part = (y[j] - x[j]) - factor * x[j];
      residual += part * part;
    }
    residual = warp_sum(residual);
    if (lane == of) squares.units = residual / y_norm / y_norm;
  }
}

// The Riesz kernel over its value on a simplex; see RieszPower.
__device__ double riesz_of(const RieszPower& power, double square, double distance) {
  const double inverse = 1 / square;
  double ratio = power.ideal_square * inverse;
  double out = power.odd ? power.ideal * (distance * inverse) : 1;
  for (unsigned exponent = power.whole; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) out *= ratio;
    ratio *= ratio;
  }
  return out;
}

// A sum and a sum of squares about the first value, which costs no more than a factor kRows of
// rounding.
struct ShiftedSums {
  double first = 0;
  double sum = 0;
  double squares = 0;

  __device__ void add(double value, bool is_first) {
    if (is_first) first = value;
    const double shifted = value - first;
    sum += shifted;
    squares += shifted * shifted;
  }

  __device__ PairMoments moments(unsigned long long count) const {
    const auto n = static_cast<double>(count);
    const double m2 = squares - sum * sum / n;
    return {first + sum / n, m2 < 0 ? 0 : m2};
  }
};

// What one thread sums over its pairs, all of one column.
struct ThreadSums {
  PairPart part = no_pairs();
  ShiftedSums cosines;
  ShiftedSums distances;
  ShiftedSums logs;
  ShiftedSums riesz;

  __device__ void add_cosine(const PairValue& pair, double ideal) {
    cosines.add(pair.value, part.directed == 0);
    part.max_angle_sum += fabs(pair.value + ideal);
    keep_largest(pair, part.coherence);
  }

  // After the cosine of the same pair.
  __device__ void add_units(const PairValue& pair, double square, double reach,
                            const RieszPower& power) {
    distances.add(pair.value, part.directed == 0);
    ++part.directed;
    if (pair.value <= reach) {
      keep_first(pair, part.aligned);
      return;
    }
    logs.add(-0.5 * log(square), part.apart == 0);
    riesz.add(riesz_of(power, square, pair.value), part.apart == 0);
    ++part.apart;
  }

  __device__ void add_cdnv(const PairValue& pair, double square) {
    part.cdnv_sum += pair.value;
    part.cdnv_fourth_sum += pair.value / square;
    keep_largest(pair, part.cdnv_worst);
  }

  __device__ PairPart finish() {
    if (part.directed != 0) {
      part.cosine = cosines.moments(part.directed);
      part.distance = distances.moments(part.directed);
    }
    if (part.apart != 0) {
      part.log = logs.moments(part.apart);
      part.riesz = riesz.moments(part.apart);
    }
    return part;
  }
};

// One block takes 16 rows and 256 columns of a panel, one thread a column. Grid: column blocks, row
// blocks.
__global__ void __launch_bounds__(kThreads, 2)
    sweep_blocks(PairClasses all, PairPanel panel, PairResults out) {
  __shared__ Nearest row_nearest[kRows][kWarps];
  __shared__ PairPart warps[kWarps];
  const int column = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int c = panel.col0 + column;
  const bool column_there = column < panel.cols;
  const int first_row = static_cast<int>(blockIdx.y) * kRows;
  const int rows = min(kRows, panel.rows - first_row);
  const double c_norm = column_there ? all.squared_norms[c] : 0;
  const double c_inverse = column_there ? all.inverse_norms[c] : 0;
  const double c_variance = column_there && all.variances != nullptr ? all.variances[c] : 0;
  const double c_resolution = column_there && all.resolution != nullptr ? all.resolution[c] : 0;
  const double c_direction = column_there ? all.directions[c] : 0;

  ThreadSums sums;
  Nearest nearest = {kFar, 0};
  for (int i = 0; i < rows; ++i) {
    const int r = panel.row0 + first_row + i;
    const bool there = column_there && r < c;
    const double g =
        there ? panel.products[static_cast<size_t>(first_row + i) * panel.stride + column] : 0;
    const double both = all.squared_norms[r] + c_norm;
    const double r_inverse = all.inverse_norms[r];
    const bool directed = r_inverse > 0 && c_inverse > 0;
    const double cosine = g * r_inverse * c_inverse;
    PairSquares squares = {both - 2 * g, 2 - 2 * cosine};
    const bool cancels =
        squares.rows < kCancels * both || (directed && squares.units < kUnitsCancel);
    recompute(all, __ballot_sync(kAllLanes, there && cancels), r, c, squares);
    const double square = squares.rows;
    const Nearest of_row = warp_nearest({there ? square : kFar, c});
    if (threadIdx.x % kWarp == 0) row_nearest[i][threadIdx.x / kWarp] = of_row;
    if (!there) continue;

    nearest.keep(square, r);
    ++sums.part.pairs;
    const double residual = g - all.ideal_gram;
    sums.part.off_diagonal += residual * residual;
    if (directed) {
      sums.add_cosine({cosine, r, c}, all.ideal);
      sums.add_units({sqrt(squares.units), r, c}, squares.units, all.directions[r] + c_direction,
                     all.riesz);
    }
    const double reach = (all.resolution != nullptr ? all.resolution[r] : 0) + c_resolution;
    if (square <= reach * reach) {
      keep_first({sqrt(square), r, c}, sums.part.equal);
    } else if (all.variances != nullptr) {
      sums.add_cdnv({0.5 * (all.variances[r] + c_variance) / square, r, c}, square);
    }
  }
  if (column_there) {
    const size_t place = blockIdx.y * static_cast<size_t>(panel.cols) + column;
    out.col_square[place] = nearest.square;
    out.col_nearest[place] = nearest.index;
  }
  const PairPart total = block_merge<kThreads>(sums.finish(), warps);  // a barrier for row_nearest
  if (threadIdx.x == 0) out.parts[blockIdx.y * gridDim.x + blockIdx.x] = total;
  if (static_cast<int>(threadIdx.x) < rows) {
    Nearest of_row = row_nearest[threadIdx.x][0];
    for (int w = 1; w < kWarps; ++w) {
      of_row.keep(row_nearest[threadIdx.x][w].square, row_nearest[threadIdx.x][w].index);
    }
    const size_t place = blockIdx.x * static_cast<size_t>(panel.rows) + first_row + threadIdx.x;
    out.row_square[place] = of_row.square;
    out.row_nearest[place] = of_row.index;
  }
}

// One thread takes a class and looks through what `blocks` blocks left for it.
__global__ void __launch_bounds__(kThreads)
    merge_nearest(const double* squares, const int* indices, int blocks, int classes,
                  double* nearest_square, int* nearest) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i >= classes) return;
  Nearest best = {nearest_square[i], nearest[i]};
  for (int b = 0; b < blocks; ++b) {
    const size_t place = static_cast<size_t>(b) * classes + i;
    if (squares[place] < kFar) best.keep(squares[place], indices[place]);
  }
  nearest_square[i] = best.square;
  nearest[i] = best.index;
}

// One block merges what the blocks of a panel left, each thread a run of them, in their order.
__global__ void __launch_bounds__(kThreads)
    merge_parts(const PairPart* parts, int count, PairPart* total) {
  __shared__ PairPart warps[kWarps];
  const int each = (count + kThreads - 1) / kThreads;
  const int first = static_cast<int>(threadIdx.x) * each;
  PairPart part = no_pairs();
  for (int i = first; i < min(count, first + each); ++i) merge_pairs(parts[i], part);
  part = block_merge<kThreads>(part, warps);
  if (threadIdx.x == 0) merge_pairs(part, *total);
}

__global__ void __launch_bounds__(kThreads) clear_results(int classes, PairResults out) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i == 0) *out.total = no_pairs();
  if (i >= classes) return;
  out.nearest_square[i] = kFar;
  out.nearest[i] = 0;
}

// One block takes 16 rows and 256 columns of a panel.
__global__ void __launch_bounds__(kThreads)
    residual_blocks(PairPanel panel, double off_diagonal, double diagonal, double* parts) {
  __shared__ double warps[kWarps];
  const int column = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int first_row = static_cast<int>(blockIdx.y) * kRows;
  double sum = 0;
  for (int i = first_row; i < min(first_row + kRows, panel.rows); ++i) {
    if (column >= panel.cols) break;
    const bool same = panel.row0 + i == panel.col0 + column;
    const double x = panel.products[static_cast<size_t>(i) * panel.stride + column] -
                     (same ? diagonal : off_diagonal);
    sum += x * x;
  }
  sum = block_sum<kThreads>(sum, warps);
  if (threadIdx.x == 0) parts[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    add_parts(const double* parts, int count, double* total) {
  __shared__ double warps[kWarps];
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) sum += parts[i];
  sum = block_sum<kThreads>(sum, warps);
  if (threadIdx.x == 0) *total += sum;
}

dim3 grid_of(const PairPanel& panel) {
  return dim3(blocks_of(static_cast<size_t>(panel.cols), kThreads),
              blocks_of(static_cast<size_t>(panel.rows), kRows));
}

}  // namespace

size_t pair_row_blocks(size_t rows) { return blocks_of(rows, kRows); }
size_t pair_col_blocks(size_t cols) { return blocks_of(cols, kThreads); }

void start_pairs(cudaStream_t stream, int classes, const PairResults& results) {
  launch(stream, dim3(blocks_of(static_cast<size_t>(classes), kThreads)), kThreads, clear_results,
         classes, results);
}

void sweep_panel(cudaStream_t stream, const PairClasses& classes, const PairPanel& panel,
                 const PairResults& results) {
  const dim3 grid = grid_of(panel);
  launch(stream, grid, kThreads, sweep_blocks, classes, panel, results);
  launch(stream, dim3(1), kThreads, merge_parts, results.parts, static_cast<int>(grid.x * grid.y),
         results.total);
  // One after the other: a class may be a row and a column of the same panel.
  launch(stream, dim3(blocks_of(static_cast<size_t>(panel.rows), kThreads)), kThreads,
         merge_nearest, results.row_square, results.row_nearest, static_cast<int>(grid.x),
         panel.rows, results.nearest_square + panel.row0, results.nearest + panel.row0);
  launch(stream, dim3(blocks_of(static_cast<size_t>(panel.cols), kThreads)), kThreads,
         merge_nearest, results.col_square, results.col_nearest, static_cast<int>(grid.y),
         panel.cols, results.nearest_square + panel.col0, results.nearest + panel.col0);
}

void add_residual(cudaStream_t stream, const PairPanel& panel, double off_diagonal, double diagonal,
                  double* parts, double* total) {
  const dim3 grid = grid_of(panel);
  launch(stream, grid, kThreads, residual_blocks, panel, off_diagonal, diagonal, parts);
  launch(stream, dim3(1), kThreads, add_parts, parts, static_cast<int>(grid.x * grid.y), total);
}

}  // namespace ncscope::cuda
