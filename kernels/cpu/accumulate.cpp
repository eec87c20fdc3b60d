// CpuDevice: the one pass over the samples (METRICS.md section 3.1). Threads take column slices of
// fixed width, and every column sees the rows in order: the bits depend neither on how the samples
// were cut into batches nor on the number of threads.
#include <algorithm>
#include <functional>

#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/scatter.h"
#include "kernels/cpu/shift_rows.h"

namespace ncscope {
namespace {

// Wide enough that a row's share is read in long runs, narrow enough to occupy the cores.
constexpr size_t kSliceWidth = 256;

// Calls body(slice) for every slice of columns; squares of row i and slice s go to [i, slices].
void for_slices(ThreadPool& pool, ClassSums& sums, const std::vector<ShiftRow>& rows,
                const std::function<void(const ShiftSlice&)>& body) {
  const size_t dim = sums.dim;
  const size_t slices = (dim + kSliceWidth - 1) / kSliceWidth;
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
    slice.tile = sums.tile.data();
    slice.squares = squares.data() + s;
    slice.full_squares = full_squares.data() + s;
    slice.stride = slices;
    body(slice);
  };
  constexpr size_t kWorthThreads = size_t{1} << 15;  // elements
  if (rows.size() * dim < kWorthThreads) {
    for (size_t s = 0; s < slices; ++s) task(s);
  } else {
    pool.run(slices, task);
  }
  double* const class_squares = sums.squares.as<double>();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].waits) continue;
    double shifted = 0;
    double full = 0;
    for (size_t s = 0; s < slices; ++s) {
      shifted += squares[i * slices + s];
      full += full_squares[i * slices + s];
    }
    class_squares[rows[i].label] += shifted;
    sums.tile_square = std::max(sums.tile_square, shifted);
    *sums.sum_squares.as<double>() += full;
  }
}

// Gives classes whose rows wait their reference, and shifts those rows where they are.
void settle_waiting(ThreadPool& pool, ClassSums& sums) {
  const DType type = sums.compute;
  const size_t row_bytes = sums.dim * dtype_size(type);
  std::vector<ShiftRow> rows;
  for (size_t i = 0; i < sums.tile_fill; ++i) {
    if (sums.waiting[i] < 0) continue;
    const auto label = static_cast<size_t>(sums.waiting[i]);
    rows.push_back({sums.tile.as<std::byte>() + i * row_bytes, label, i, false});
    sums.settled[label] = 1;
  }
  if (rows.empty()) return;
  for_slices(pool, sums, rows, [&](const ShiftSlice& slice) {
    settle_references(type, rows, sums.counts.data(), slice);
    shift_rows(type, type, rows, slice);
  });
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
      const bool waits = sums.settled[label] == 0;
      block.push_back({features + r * row_bytes, label, sums.tile_fill++, waits});
      sums.waiting.push_back(waits ? batch.labels[r] : -1);
      ++sums.counts[label];
      ++sums.samples;
    }
    const bool full = sums.tile_fill == kTileRows;
    if (block.empty() || (!full && r + 1 < batch.rows)) continue;
    for_slices(*pool_, sums, block,
               [&](const ShiftSlice& slice) { shift_rows(sums.type, sums.compute, block, slice); });
    block.clear();
    if (full) do_flush(sums);
  }
}

void CpuDevice::do_flush(ClassSums& sums) {
  if (sums.tile_fill == 0) return;
  settle_waiting(*pool_, sums);
  double* const scatter = sums.scatter.as<double>();
  if (sums.compute == DType::kFloat64) {
    add_scatter(*pool_, sums.tile.as<double>(), sums.tile_fill, sums.dim, scatter);
  } else if (products_fit(sums.tile_square)) {
    add_scatter(*pool_, sums.tile.as<float>(), sums.tile_fill, sums.dim, sums.partial.as<float>(),
                scatter);
  } else {
    add_scatter_wide(*pool_, sums.tile.as<float>(), sums.tile_fill, sums.dim, scatter);
  }
  sums.tile_fill = 0;
  sums.tile_square = 0;
  sums.waiting.clear();
}

}  // namespace ncscope
