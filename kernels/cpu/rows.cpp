// CpuDevice: operations on the rows of a matrix.
#include <algorithm>

#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/simd.h"

namespace ncscope {
namespace {

// Rows that one task takes; about a megabyte.
size_t rows_per_task(size_t cols) { return std::max<size_t>(1, (size_t{1} << 17) / cols); }

void for_row_ranges(ThreadPool& pool, size_t rows, size_t cols,
                    const std::function<void(size_t, size_t)>& body) {
  const size_t step = rows_per_task(cols);
  pool.run((rows + step - 1) / step,
           [&](size_t i) { body(i * step, std::min(rows, (i + 1) * step)); });
}

}  // namespace

std::vector<double> CpuDevice::do_row_dots(ConstMatrix a, ConstMatrix b) {
  std::vector<double> out(a.rows);
  for_row_ranges(*pool_, a.rows, a.cols, [&](size_t first, size_t last) {
    for (size_t r = first; r < last; ++r) out[r] = simd::dot(a.row(r), b.row(r), a.cols);
  });
  return out;
}

void CpuDevice::do_scale_rows(Matrix a, std::span<const double> factors) {
  for_row_ranges(*pool_, a.rows, a.cols, [&](size_t first, size_t last) {
    for (size_t r = first; r < last; ++r) {
      double* const row = a.row(r);
      for (size_t j = 0; j < a.cols; ++j) row[j] *= factors[r];
    }
  });
}

void CpuDevice::do_subtract_row(Matrix a, std::span<const double> v) {
  for_row_ranges(*pool_, a.rows, a.cols, [&](size_t first, size_t last) {
    for (size_t r = first; r < last; ++r) {
      double* const row = a.row(r);
      for (size_t j = 0; j < a.cols; ++j) row[j] -= v[j];
    }
  });
}

}  // namespace ncscope
