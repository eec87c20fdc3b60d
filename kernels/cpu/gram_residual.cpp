// CpuDevice: how far A B^T is from a multiple of the simplex ETF's Gram matrix.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/products.h"
#include "kernels/cpu/simd.h"

namespace ncscope {

double CpuDevice::do_gram_residual(ConstMatrix a, ConstMatrix b, double alpha) {
  constexpr size_t kPanelSize = 1024;
  const size_t p = a.rows;
  const double root = std::sqrt(static_cast<double>(p - 1));
  const double off_diagonal = -alpha / (static_cast<double>(p) * root);
  const size_t width = std::min(kPanelSize, p);
  std::vector<double> panel(width * width);
  std::vector<double> row_sums(p);
  for (size_t r0 = 0; r0 < p; r0 += kPanelSize) {
    const size_t rows = std::min(kPanelSize, p - r0);
    for (size_t c0 = 0; c0 < p; c0 += kPanelSize) {
      const size_t cols = std::min(kPanelSize, p - c0);
      products::gemm(*pool_, false, true, rows, cols, a.cols, 1.0, a.row(r0), a.stride, b.row(c0),
                     b.stride, 0.0, panel.data(), cols);
      constexpr size_t kStep = 16;
      pool_->run((rows + kStep - 1) / kStep, [&](size_t step) {
        const size_t last = std::min(rows, (step + 1) * kStep);
        for (size_t r = step * kStep; r < last; ++r) {
          double* const g = panel.data() + r * cols;
          // E_cc = E_cc' + 1/sqrt(P-1), and panels lie on the diagonal as a whole or not at all.
          if (r0 == c0) g[r] -= alpha / root;
          row_sums[r0 + r] += simd::squared_offset(g, off_diagonal, cols);
        }
      });
    }
  }
  return simd::sum(row_sums.data(), p);
}

}  // namespace ncscope
