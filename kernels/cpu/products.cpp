#include "kernels/cpu/products.h"

#include <algorithm>

#include "kernels/cpu/blas.h"

namespace ncscope::products {
namespace {

// Rows and columns of a block of C: large enough that copying its operands into BLAS' buffers costs
// little, small enough that many threads have something to do.
constexpr size_t kBlock = 256;
// Columns of B that one task solves for.
constexpr size_t kSolveColumns = 128;

size_t blocks_of(size_t n) { return (n + kBlock - 1) / kBlock; }

}  // namespace

template <class T>
void gemm(ThreadPool& pool, bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
          T alpha, const T* a, size_t lda, const T* b, size_t ldb, T beta, T* c, size_t ldc) {
  const size_t across = blocks_of(n);
  pool.run(blocks_of(m) * across, [&](size_t block) {
    const size_t i = block / across * kBlock;
    const size_t j = block % across * kBlock;
    blas::gemm(transpose_a, transpose_b, std::min(kBlock, m - i), std::min(kBlock, n - j), k, alpha,
               a + (transpose_a ? i : i * lda), lda, b + (transpose_b ? j * ldb : j), ldb, beta,
               c + i * ldc + j, ldc);
  });
}

template <class T>
void syrk_upper(ThreadPool& pool, bool transpose, size_t n, size_t k, T alpha, const T* a,
                size_t lda, T beta, T* c, size_t ldc) {
  const size_t across = blocks_of(n);
  // Of all blocks, so that the cheap ones below the diagonal need no numbering.
  pool.run(across * across, [&](size_t block) {
    const size_t i = block / across * kBlock;
    const size_t j = block % across * kBlock;
    if (j < i) return;
    const T* const rows = a + (transpose ? i : i * lda);
    const T* const cols = a + (transpose ? j : j * lda);
    const size_t height = std::min(kBlock, n - i);
    if (i == j) {
      blas::syrk_upper(transpose, height, k, alpha, rows, lda, beta, c + i * ldc + j, ldc);
    } else {
      blas::gemm(transpose, !transpose, height, std::min(kBlock, n - j), k, alpha, rows, lda, cols,
                 lda, beta, c + i * ldc + j, ldc);
    }
  });
}

void triangular_solve(ThreadPool& pool, bool transpose, ConstMatrix factor, Matrix b) {
  const CBLAS_TRANSPOSE op = transpose ? CblasTrans : CblasNoTrans;
  if (b.cols == 1) {
    cblas_dtrsv(CblasRowMajor, CblasLower, op, CblasNonUnit, blas::size(b.rows), factor.data,
                blas::stride(factor.stride), b.data, blas::stride(b.stride));
    return;
  }
  pool.run((b.cols + kSolveColumns - 1) / kSolveColumns, [&](size_t task) {
    const size_t first = task * kSolveColumns;
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, op, CblasNonUnit, blas::size(b.rows),
                blas::size(std::min(kSolveColumns, b.cols - first)), 1.0, factor.data,
                blas::stride(factor.stride), b.data + first, blas::stride(b.stride));
  });
}

template void gemm(ThreadPool&, bool, bool, size_t, size_t, size_t, float, const float*, size_t,
                   const float*, size_t, float, float*, size_t);
template void gemm(ThreadPool&, bool, bool, size_t, size_t, size_t, double, const double*, size_t,
                   const double*, size_t, double, double*, size_t);
template void syrk_upper(ThreadPool&, bool, size_t, size_t, float, const float*, size_t, float,
                         float*, size_t);
template void syrk_upper(ThreadPool&, bool, size_t, size_t, double, const double*, size_t, double,
                         double*, size_t);

}  // namespace ncscope::products
