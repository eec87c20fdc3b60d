// Products of matrices by cuBLAS, column-major and of 64-bit sizes.
#pragma once

#include "kernels/cuda/handles.h"
#include "tests/bench/cuda/made_up.h"

namespace ncscope::bench {

// C [m, n] = A [m, k] B [n, k]^T + beta C, one overload for each type of A and B.
inline void multiply(cublasHandle_t blas, int64_t m, int64_t n, int64_t k, const float* a,
                     int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  const float one = 1;
  NCSCOPE_CUDA_TRY(
      cublasSgemm_64(blas, CUBLAS_OP_N, CUBLAS_OP_T, m, n, k, &one, a, lda, b, ldb, &beta, c, ldc));
}

inline void multiply(cublasHandle_t blas, int64_t m, int64_t n, int64_t k, const double* a,
                     int64_t lda, const double* b, int64_t ldb, double beta, double* c,
                     int64_t ldc) {
  const double one = 1;
  NCSCOPE_CUDA_TRY(
      cublasDgemm_64(blas, CUBLAS_OP_N, CUBLAS_OP_T, m, n, k, &one, a, lda, b, ldb, &beta, c, ldc));
}

#if !NCSCOPE_BENCH_HOST_CARD
inline void multiply(cublasHandle_t blas, int64_t m, int64_t n, int64_t k, const uint16_t* a,
                     int64_t lda, const uint16_t* b, int64_t ldb, float beta, float* c,
                     int64_t ldc) {
  const float one = 1;
  NCSCOPE_CUDA_TRY(cublasGemmEx_64(blas, CUBLAS_OP_N, CUBLAS_OP_T, m, n, k, &one, a, CUDA_R_16BF,
                                   lda, b, CUDA_R_16BF, ldb, &beta, c, CUDA_R_32F, ldc,
                                   CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
}
#endif

inline void rank_update(cublasHandle_t blas, int64_t n, int64_t k, const float* a, float beta,
                        float* c) {
  const float one = 1;
  NCSCOPE_CUDA_TRY(
      cublasSsyrk_64(blas, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, n, k, &one, a, n, &beta, c, n));
}

inline void rank_update(cublasHandle_t blas, int64_t n, int64_t k, const double* a, double beta,
                        double* c) {
  const double one = 1;
  NCSCOPE_CUDA_TRY(
      cublasDsyrk_64(blas, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, n, k, &one, a, n, &beta, c, n));
}

// The lower triangle of A B^T, [n, n] of [n, k] factors, as columns of `block`; the blocks on the
// diagonal are whole.
template <class T, class C>
void multiply_triangle(cublasHandle_t blas, int64_t n, int64_t k, int64_t block, const T* a,
                       const T* b, C beta, C* c) {
  for (int64_t first = 0; first < n; first += block) {
    const int64_t columns = first + block < n ? block : n - first;
    multiply(blas, n - first, columns, k, a + first, n, b + first, n, beta, c + first * n + first,
             n);
  }
}

}  // namespace ncscope::bench
