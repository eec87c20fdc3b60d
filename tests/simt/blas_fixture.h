// A handle on a stream, and one name for both precisions.
#pragma once

#include "tests/simt/matrices.h"

namespace ncscope::simt {

class Blas : public CardTest {
 protected:
  void SetUp() override {
    CardTest::SetUp();
    ASSERT_EQ(cublasCreate(&handle_), CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cublasSetStream(handle_, stream_), CUBLAS_STATUS_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(cublasDestroy(handle_), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    CardTest::TearDown();
  }
  void finish() { ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess); }

  cublasStatus_t gemm(cublasOperation_t ta, cublasOperation_t tb, int64_t m, int64_t n, int64_t k,
                      double alpha, const double* a, int64_t lda, const double* b, int64_t ldb,
                      double beta, double* c, int64_t ldc) {
    return cublasDgemm_64(handle_, ta, tb, m, n, k, &alpha, a, lda, b, ldb, &beta, c, ldc);
  }
  cublasStatus_t gemm(cublasOperation_t ta, cublasOperation_t tb, int64_t m, int64_t n, int64_t k,
                      float alpha, const float* a, int64_t lda, const float* b, int64_t ldb,
                      float beta, float* c, int64_t ldc) {
    return cublasSgemm_64(handle_, ta, tb, m, n, k, &alpha, a, lda, b, ldb, &beta, c, ldc);
  }
  cublasStatus_t syrk(cublasFillMode_t uplo, cublasOperation_t t, int64_t n, int64_t k,
                      double alpha, const double* a, int64_t lda, double beta, double* c,
                      int64_t ldc) {
    return cublasDsyrk_64(handle_, uplo, t, n, k, &alpha, a, lda, &beta, c, ldc);
  }
  cublasStatus_t syrk(cublasFillMode_t uplo, cublasOperation_t t, int64_t n, int64_t k, float alpha,
                      const float* a, int64_t lda, float beta, float* c, int64_t ldc) {
    return cublasSsyrk_64(handle_, uplo, t, n, k, &alpha, a, lda, &beta, c, ldc);
  }

  cublasHandle_t handle_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

}  // namespace ncscope::simt
