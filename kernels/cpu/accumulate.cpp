// CpuDevice: the one pass over the samples (METRICS.md section 3.1). Threads take column slices of
// fixed width, and every column sees the rows in order: the bits depend neither on how the samples
// were cut into batches nor on the number of threads.
#include <algorithm>

#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/scatter.h"
#include "kernels/cpu/shift_rows.h"

namespace ncscope {
namespace {

// Wide enough that a row's share is read in long runs, narrow enough to occupy the cores.
constexpr size_t kSliceWidth = 256;

// Takes rows [tile_fill, tile_fill + rows) of the tile.
void shift_block(ThreadPool& pool, const std::vector<ShiftRow>& rows, ClassSums& sums) {
  const size_t dim = sums.dim;
  const size_t slices = (dim + kSliceWidth - 1) / kSliceWidth;
  const size_t size = dtype_size(compute_type(sums.type));
  std::vector<double> squares(rows.size() * slices);
  std::vector<double> full_squares(rows.size() * slices);
  const auto task = [&](size_t s) {
    ShiftSlice slice;
    slice.dim = dim;
    slice.begin = s * kSliceWidth;
    slice.width = std::min(kSliceWidth, dim - slice.begin);
    slice.references = sums.references.data();
    slice.sums = sums.sums.as<double>();
    slice.column_squares = sums.column_squares.as<double>();
    slice.tile = sums.tile.as<std::byte>() + sums.tile_fill * dim * size;
    slice.squares = squares.data() + s;
    slice.full_squares = full_squares.data() + s;
    slice.stride = slices;
    shift_rows(sums.type, rows, slice);
  };
  constexpr size_t kWorthThreads = size_t{1} << 15;  // elements
  if (rows.size() * dim < kWorthThreads) {
    for (size_t s = 0; s < slices; ++s) task(s);
  } else {
    pool.run(slices, task);
  }
  double* const class_squares = sums.squares.as<double>();
  for (size_t i = 0; i < rows.size(); ++i) {
    double shifted = 0;
    double full = 0;
    for (size_t s = 0; s < slices; ++s) {
      shifted += squares[i * slices + s];
      full += full_squares[i * slices + s];
    }
    class_squares[rows[i].label] += shifted;
    sums.sum_squares += full;
  }
  sums.samples += rows.size();
  sums.tile_fill += rows.size();
}

}  // namespace

void CpuDevice::do_accumulate(const Batch& batch, ClassSums& sums) {
  const size_t row_bytes = batch.dim * dtype_size(batch.type);
  const auto* const features = static_cast<const std::byte*>(batch.features);
  std::vector<ShiftRow> block;
  block.reserve(std::min(batch.rows, kTileRows));
  for (size_t r = 0; r < batch.rows; ++r) {
    if (batch.labels[r] >= 0) {
      const auto label = static_cast<size_t>(batch.labels[r]);
      block.push_back({features + r * row_bytes, label, sums.counts[label]++ == 0});
    }
    const bool full = sums.tile_fill + block.size() == kTileRows;
    if (block.empty() || (!full && r + 1 < batch.rows)) continue;
    shift_block(*pool_, block, sums);
    block.clear();
    if (full) do_flush(sums);
  }
}

void CpuDevice::do_flush(ClassSums& sums) {
  if (compute_type(sums.type) == DType::kFloat64) {
    add_scatter(sums.tile.as<double>(), sums.tile_fill, sums.dim, sums.scatter.as<double>());
  } else {
    add_scatter(*pool_, sums.tile.as<float>(), sums.tile_fill, sums.dim, sums.partial.as<float>(),
                sums.scatter.as<double>());
  }
  sums.tile_fill = 0;
}

}  // namespace ncscope
