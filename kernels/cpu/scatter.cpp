#include "kernels/cpu/scatter.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/products.h"
#include "kernels/cpu/simd.h"

namespace ncscope {
namespace {

NCSCOPE_CLONES void add_row(const float* in, size_t n, double* out) {
  for (size_t j = 0; j < n; ++j) out[j] += double{in[j]};
}

}  // namespace

void add_scatter(ThreadPool& pool, const float* tile, size_t rows, size_t dim, float* partial,
                 double* scatter) {
  products::syrk_upper(pool, true, dim, rows, 1.0F, tile, dim, 0.0F, partial, dim);
  // Pieces of equal size in rows, not in elements: later ones are shorter, which evens out.
  constexpr size_t kRows = 16;
  pool.run((dim + kRows - 1) / kRows, [&](size_t piece) {
    const size_t last = std::min(dim, (piece + 1) * kRows);
    for (size_t r = piece * kRows; r < last; ++r) {
      add_row(partial + r * dim + r, dim - r, scatter + r * dim + r);
    }
  });
}

void add_scatter(ThreadPool& pool, const double* tile, size_t rows, size_t dim, double* scatter) {
  products::syrk_upper(pool, true, dim, rows, 1.0, tile, dim, 1.0, scatter, dim);
}

void add_scatter_wide(ThreadPool& pool, const float* tile, size_t rows, size_t dim,
                      double* scatter) {
  constexpr size_t kRows = 128;
  std::vector<double> block;
  for (size_t first = 0; first < rows; first += kRows) {
    const size_t count = std::min(kRows, rows - first);
    block.assign(tile + first * dim, tile + (first + count) * dim);
    add_scatter(pool, block.data(), count, dim, scatter);
  }
}

}  // namespace ncscope
