#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/shift_tile.h"

namespace ncscope::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;
constexpr int kAhead = 4;  // rows whose loads are under way together

template <class Element>
__device__ const Element* row_of(const ShiftTile& tile, int row) {
  const bool waits = row < tile.waiting;
  const auto* const rows = static_cast<const Element*>(waits ? tile.waiting_rows : tile.other_rows);
  return rows + static_cast<size_t>(waits ? row : row - tile.waiting) * tile.dim;
}

// One thread takes a column of a class's rows, which all wait for their reference. Grid: strips of
// columns, classes to settle.
template <class Wire, class T>
__global__ void __launch_bounds__(kThreads) settle_references(ShiftTile tile) {
  using Element = typename Wire::Element;
  const TileClass of = tile.plan->classes_at[tile.plan->settle[blockIdx.y]];
  const size_t column = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= tile.dim) return;
  const auto value = [&](int i) {
    const Element* const row = row_of<Element>(tile, tile.plan->row_at[of.first + i]);
    return Wire::value(row[column]);
  };
  const double origin = value(0);
  double sum = 0;
  for (int i = 1; i < of.count; ++i) sum += value(i) - origin;
  T* const references = static_cast<T*>(tile.references);
  references[static_cast<size_t>(of.label) * tile.dim + column] =
      static_cast<T>(origin + sum / of.count);
}

// What one thread knows of a run: V columns of consecutive rows of one class.
template <class T, int V>
struct Run {
  double reference[V];
  double sum[V];
  double square;

  __device__ void start(const ShiftTile& tile, int label, size_t column) {
    const T* const references = static_cast<const T*>(tile.references);
    const auto r = *reinterpret_cast<const Pack<T, V>*>(
        references + static_cast<size_t>(label) * tile.dim + column);
    for (int v = 0; v < V; ++v) {
      reference[v] = r.value[v];
      sum[v] = 0;
    }
  }
};

// One block takes the rows of a group and a strip of columns, one thread V columns: each feature is
// read once. Rows of a class follow each other; where the class is not in other groups its sums are
// nobody else's, else they are left in run_sums. Grid: strips, groups.
template <class Wire, class T, int V>
__global__ void __launch_bounds__(kThreads) shift_rows(ShiftTile tile) {
  using Element = typename Wire::Element;
  __shared__ int row_at[kGroupRows];
  __shared__ int label_at[kGroupRows + 2];  // with the one before and the one after, or -1
  const TilePlan& plan = *tile.plan;
  const int group = static_cast<int>(blockIdx.y);
  const int first = group * kGroupRows;
  const int count = min(kGroupRows, plan.rows - first);
  for (int i = static_cast<int>(threadIdx.x); i < count + 2; i += kThreads) {
    const int place = first + i - 1;
    label_at[i] = place < 0 || place >= plan.rows ? -1 : plan.label_at[place];
    if (i < count) row_at[i] = plan.row_at[first + i];
  }
  __syncthreads();

  const size_t column = (static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x) * V;
  const bool active = column < tile.dim;
  const size_t part = static_cast<size_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  const size_t parts = static_cast<size_t>(gridDim.x) * kWarps;
  const bool leads = threadIdx.x % kWarp == 0;
  T* const shifted = static_cast<T*>(tile.shifted);

  Run<T, V> run = {};
  double column_square[V] = {};
  double full = 0;
  float largest = 0;
  int run_index = plan.first_run[group];
  for (int i0 = 0; i0 < count; i0 += kAhead) {
    Pack<Element, V> rows[kAhead];
    for (int a = 0; a < kAhead; ++a) {
      if (active && i0 + a < count) {
        rows[a] = *reinterpret_cast<const Pack<Element, V>*>(row_of<Element>(tile, row_at[i0 + a]) +
                                                             column);
      }
    }
    for (int a = 0; a < kAhead; ++a) {
      const int i = i0 + a;
      if (i >= count) break;
      const int label = label_at[i + 1];
      if (i == 0 || label != label_at[i]) {
        run.square = 0;
        if (active) run.start(tile, label, column);
      }
      if (active) {
        Pack<T, V> out;
        for (int v = 0; v < V; ++v) {
          const double h = Wire::value(rows[a].value[v]);
          const double x = h - run.reference[v];
          const double square = x * x;
          out.value[v] = static_cast<T>(x);
          run.sum[v] += x;
          run.square += square;
          column_square[v] += square;
          full += h * h;
          if constexpr (sizeof(T) == sizeof(float)) largest = fmaxf(largest, fabsf(out.value[v]));
        }
        store(shifted + static_cast<size_t>(first + i) * tile.dim + column, out);
      }
      const bool ends_group = i + 1 == count;
      if (!ends_group && label_at[i + 2] == label) continue;

      const double run_square = warp_sum(run.square);
      if (leads) tile.square_parts[static_cast<size_t>(run_index) * parts + part] = run_square;
      ++run_index;
      if (!active) continue;
      const bool came_before = label_at[0] == label;
      const bool goes_on = ends_group && label_at[i + 2] == label;
      const bool whole = !came_before && !goes_on;
      double* const to =
          whole ? tile.sums + static_cast<size_t>(label) * tile.dim + column
                : tile.run_sums +
                      (static_cast<size_t>(group) * 2 + (came_before ? 0 : 1)) * tile.dim + column;
      Pack<double, V> sum = {};
      if (whole) sum = *reinterpret_cast<const Pack<double, V>*>(to);
      for (int v = 0; v < V; ++v) sum.value[v] = whole ? sum.value[v] + run.sum[v] : run.sum[v];
      store(to, sum);
    }
  }
  if (active) {
    for (int v = 0; v < V; ++v) {
      tile.column_parts[static_cast<size_t>(group) * tile.dim + column + v] = column_square[v];
    }
  }
  full = warp_sum(full);
  if (leads) tile.full_parts[static_cast<size_t>(group) * parts + part] = full;
  if constexpr (sizeof(T) == sizeof(float)) {
    largest = warp_max(largest);
    if (leads && largest > 0) raise_to(tile.largest, largest);
  }
}

// One thread takes a column: of a class in several groups, or, in the last row of the grid, of the
// squares. Grid: strips, splits + 1.
__global__ void __launch_bounds__(kThreads) merge_columns(ShiftTile tile) {
  const TilePlan& plan = *tile.plan;
  const size_t column = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= tile.dim) return;
  double sum = 0;
  if (static_cast<int>(blockIdx.y) == plan.splits) {
    for (int group = 0; group * kGroupRows < plan.rows; ++group) {
      sum += tile.column_parts[static_cast<size_t>(group) * tile.dim + column];
    }
    tile.column_squares[column] += sum;
    return;
  }
  const TileClass of = plan.classes_at[plan.split[blockIdx.y]];
  for (int group = first_group(of); group <= last_group(of); ++group) {
    const int slot = group == first_group(of) ? 1 : 0;
    sum += tile.run_sums[(static_cast<size_t>(group) * 2 + slot) * tile.dim + column];
  }
  tile.sums[static_cast<size_t>(of.label) * tile.dim + column] += sum;
}

// Thread 0 of the block gets the sum of `count` numbers.
__device__ double sum_parts(const double* numbers, size_t count, double* warps) {
  double sum = 0;
  for (size_t i = threadIdx.x; i < count; i += kThreads) sum += numbers[i];
  return block_sum<kThreads>(sum, warps);
}

// One block takes the squares of a class, or, the last one, of all rows. Grid: classes + 1.
__global__ void __launch_bounds__(kThreads) merge_squares(ShiftTile tile, size_t parts) {
  __shared__ double warps[kWarps];
  const TilePlan& plan = *tile.plan;
  if (static_cast<int>(blockIdx.x) == plan.classes) {
    const int groups = (plan.rows + kGroupRows - 1) / kGroupRows;
    const double sum = sum_parts(tile.full_parts, static_cast<size_t>(groups) * parts, warps);
    if (threadIdx.x == 0) *tile.sum_squares += sum;
    return;
  }
  const TileClass of = plan.classes_at[blockIdx.x];
  const size_t runs = static_cast<size_t>(last_group(of) - first_group(of) + 1);
  const double sum =
      sum_parts(tile.square_parts + static_cast<size_t>(of.first_run) * parts, runs * parts, warps);
  if (threadIdx.x == 0) tile.squares[of.label] += sum;
}

template <class Wire, class T>
void launch_shift(cudaStream_t stream, const TilePlan& host, const ShiftTile& tile) {
  const auto groups = static_cast<unsigned>(host.groups());
  const unsigned columns = blocks_of(tile.dim, kThreads);
  if (host.settles > 0) {
    launch(stream, dim3(columns, static_cast<unsigned>(host.settles)), kThreads,
           settle_references<Wire, T>, tile);
  }
  constexpr int V = Wire::kPack;
  // Rows that do not start at a multiple of a pack are taken one element at a time.
  const bool packed = tile.dim % V == 0;
  const unsigned strips = blocks_of(tile.dim, kThreads * static_cast<size_t>(packed ? V : 1));
  const dim3 grid(strips, groups);
  if (packed) {
    launch(stream, grid, kThreads, shift_rows<Wire, T, V>, tile);
  } else {
    launch(stream, grid, kThreads, shift_rows<Wire, T, 1>, tile);
  }
  launch(stream, dim3(columns, static_cast<unsigned>(host.splits) + 1), kThreads, merge_columns,
         tile);
  launch(stream, dim3(static_cast<unsigned>(host.classes) + 1), kThreads, merge_squares, tile,
         static_cast<size_t>(strips) * kWarps);
}

// One thread takes 16 bytes.
__global__ void __launch_bounds__(kThreads) copy_words(const uint4* from, uint4* to, size_t count) {
  const size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) to[i] = from[i];
}

}  // namespace

void copy_plan(cudaStream_t stream, const TilePlan* pinned, TilePlan* device) {
  static_assert(sizeof(TilePlan) % sizeof(uint4) == 0);
  constexpr size_t kWords = sizeof(TilePlan) / sizeof(uint4);
  launch(stream, dim3(blocks_of(kWords, kThreads)), kThreads, copy_words,
         reinterpret_cast<const uint4*>(pinned), reinterpret_cast<uint4*>(device), kWords);
}

size_t shift_parts(size_t dim) { return blocks_of(dim, kThreads) * size_t{kWarps}; }

void shift_tile(cudaStream_t stream, DType type, DType compute, const TilePlan& host,
                const ShiftTile& tile) {
  with_types(type, compute, [&](auto wire, auto t) {
    launch_shift<typename decltype(wire)::type, typename decltype(t)::type>(stream, host, tile);
  });
}

}  // namespace ncscope::cuda
