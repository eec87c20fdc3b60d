// BLAS for both precisions under one name; row-major throughout.
#pragma once

#include <cblas.h>

#include <cstddef>

namespace ncscope::blas {

// BLAS counts in 32 bits; Device's checks and the tile sizes keep sizes below that.
inline int size(size_t n) { return static_cast<int>(n); }

// A matrix without elements has a stride of 0, which BLAS refuses.
inline int stride(size_t n) { return n == 0 ? 1 : static_cast<int>(n); }

inline CBLAS_TRANSPOSE op(bool transpose) { return transpose ? CblasTrans : CblasNoTrans; }

inline void gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, double alpha,
                 const double* a, size_t lda, const double* b, size_t ldb, double beta, double* c,
                 size_t ldc) {
  cblas_dgemm(CblasRowMajor, op(transpose_a), op(transpose_b), size(m), size(n), size(k), alpha, a,
              stride(lda), b, stride(ldb), beta, c, stride(ldc));
}

inline void gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
                 const float* a, size_t lda, const float* b, size_t ldb, float beta, float* c,
                 size_t ldc) {
  cblas_sgemm(CblasRowMajor, op(transpose_a), op(transpose_b), size(m), size(n), size(k), alpha, a,
              stride(lda), b, stride(ldb), beta, c, stride(ldc));
}

// Upper triangle of C [n, n] = alpha A^T A + beta C (transpose, A [k, n]) or alpha A A^T + beta C
// (A [n, k]).
inline void syrk_upper(bool transpose, size_t n, size_t k, double alpha, const double* a,
                       size_t lda, double beta, double* c, size_t ldc) {
  cblas_dsyrk(CblasRowMajor, CblasUpper, op(transpose), size(n), size(k), alpha, a, stride(lda),
              beta, c, stride(ldc));
}

inline void syrk_upper(bool transpose, size_t n, size_t k, float alpha, const float* a, size_t lda,
                       float beta, float* c, size_t ldc) {
  cblas_ssyrk(CblasRowMajor, CblasUpper, op(transpose), size(n), size(k), alpha, a, stride(lda),
              beta, c, stride(ldc));
}

}  // namespace ncscope::blas
