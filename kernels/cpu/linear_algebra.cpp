// CpuDevice: dense linear algebra in float64. LAPACK is column-major: a row-major lower triangle is
// its upper one, and its eigenvectors in columns are rows here, so nothing is ever transposed.
#include <lapacke.h>

#include <algorithm>
#include <cmath>

#include "kernels/cpu/blas.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/products.h"
#include "kernels/errors.h"

namespace ncscope {
namespace {

constexpr size_t kMirrorTile = 64;

// Copies the upper triangle to the lower one, block row `block` of it.
void mirror_block(Matrix c, size_t block) {
  const size_t first = block * kMirrorTile;
  const size_t last = std::min(first + kMirrorTile, c.rows);
  for (size_t j0 = 0; j0 < last; j0 += kMirrorTile) {
    for (size_t i = first; i < last; ++i) {
      const size_t end = std::min(j0 + kMirrorTile, i);
      for (size_t j = j0; j < end; ++j) c.row(i)[j] = c.row(j)[i];
    }
  }
}

// y = alpha op(A) x + beta y; the elements of x are `stride` apart. A product of matrices would
// copy A first, which is most of the work of one with a vector.
void multiply_vector(bool transpose, double alpha, ConstMatrix a, const double* x, size_t stride,
                     double beta, Matrix y) {
  if (beta == 0) {  // not every version keeps a NaN in y out of 0 * y
    for (size_t r = 0; r < y.rows; ++r) y.row(r)[0] = 0;
  }
  cblas_dgemv(CblasRowMajor, blas::op(transpose), blas::size(a.rows), blas::size(a.cols), alpha,
              a.data, blas::stride(a.stride), x, blas::stride(stride), beta == 0 ? 1 : beta, y.data,
              blas::stride(y.stride));
}

}  // namespace

void CpuDevice::do_gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a,
                        ConstMatrix b, double beta, Matrix c) {
  const size_t inner = transpose_a ? a.rows : a.cols;
  if (c.cols == 1 && inner > 0) {
    multiply_vector(transpose_a, alpha, a, b.data, transpose_b ? 1 : b.stride, beta, c);
    return;
  }
  products::gemm(*pool_, transpose_a, transpose_b, c.rows, c.cols, inner, alpha, a.data, a.stride,
                 b.data, b.stride, beta, c.data, c.stride);
}

void CpuDevice::do_syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c) {
  products::syrk_upper(*pool_, transpose, c.rows, transpose ? a.rows : a.cols, alpha, a.data,
                       a.stride, beta, c.data, c.stride);
  pool_->run((c.rows + kMirrorTile - 1) / kMirrorTile,
             [&](size_t block) { mirror_block(c, block); });
}

bool CpuDevice::do_cholesky(Matrix a) {
  const lapack_int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', blas::size(a.rows), a.data,
                                              blas::stride(a.stride));
  if (info < 0) throw DeviceError("cholesky: dpotrf refused argument " + std::to_string(-info));
  if (info > 0) return false;
  // OpenBLAS lets a NaN pass as a pivot.
  for (size_t i = 0; i < a.rows; ++i) {
    if (!std::isfinite(a.row(i)[i])) return false;
  }
  return true;
}

void CpuDevice::do_cholesky_solve(ConstMatrix factor, Matrix b) {
  for (const bool transpose : {false, true}) {
    products::triangular_solve(*pool_, transpose, factor, b);
  }
}

std::vector<double> CpuDevice::do_eigh(Matrix a, bool with_vectors) {
  // The workspace of dsyevd, 1 + 6n + 2n^2, is counted in 32 bits.
  constexpr size_t kLargest = 32766;
  if (a.rows > kLargest) {
    throw NumericalError("eigh: LAPACK with 32-bit sizes takes at most " +
                         std::to_string(kLargest) + " rows, got " + std::to_string(a.rows));
  }
  std::vector<double> values(a.rows);
  // Checks for NaN first, and answers -5 where there is one.
  const lapack_int info =
      LAPACKE_dsyevd(LAPACK_COL_MAJOR, with_vectors ? 'V' : 'N', 'L', blas::size(a.rows), a.data,
                     blas::stride(a.stride), values.data());
  if (info == -5) throw NumericalError("eigh: the matrix holds a NaN");
  if (info == LAPACK_WORK_MEMORY_ERROR) throw OutOfMemory("eigh: no memory for the workspace");
  if (info < 0) throw DeviceError("eigh: dsyevd refused argument " + std::to_string(-info));
  if (info > 0) throw NumericalError("eigh: dsyevd did not converge");
  return values;
}

}  // namespace ncscope
