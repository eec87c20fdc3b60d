// Products and solves of cuBLAS over a host BLAS.
#include <cblas.h>

#include <climits>

#include "cublas_v2.h"
#include "tests/simt/runtime/cublas_context.h"
#include "tests/simt/runtime/library.h"

using namespace ncscope::simt;

namespace {

CBLAS_TRANSPOSE op(cublasOperation_t operation) {
  return operation == CUBLAS_OP_N ? CblasNoTrans : CblasTrans;
}

void gemm(cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, float alpha,
          const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasColMajor, op(ta), op(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void gemm(cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, double alpha,
          const double* a, int lda, const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasColMajor, op(ta), op(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

CBLAS_UPLO half(cublasFillMode_t uplo) {
  return uplo == CUBLAS_FILL_MODE_LOWER ? CblasLower : CblasUpper;
}

void syrk(cublasFillMode_t uplo, cublasOperation_t t, int n, int k, float alpha, const float* a,
          int lda, float beta, float* c, int ldc) {
  cblas_ssyrk(CblasColMajor, half(uplo), op(t), n, k, alpha, a, lda, beta, c, ldc);
}
void syrk(cublasFillMode_t uplo, cublasOperation_t t, int n, int k, double alpha, const double* a,
          int lda, double beta, double* c, int ldc) {
  cblas_dsyrk(CblasColMajor, half(uplo), op(t), n, k, alpha, a, lda, beta, c, ldc);
}

Part part_of(cublasFillMode_t uplo) {
  return uplo == CUBLAS_FILL_MODE_LOWER ? Part::kLower : Part::kUpper;
}

template <class... N>
bool sizes(N... n) {
  return ((n >= 0 && n <= INT_MAX) && ...);
}

// A leading dimension holds a column.
bool leads(int64_t stride, int64_t rows) {
  return stride >= (rows > 1 ? rows : 1) && stride <= INT_MAX;
}

int narrow(int64_t n) { return static_cast<int>(n); }

// Queues the work of a call whose arguments are right.
template <class F>
cublasStatus_t run(cublasHandle_t handle, const char* function, F work) {
  if (card().sticky != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
  CUstream_st* stream = find_stream(handle->stream);
  if (stream == nullptr) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (const int code = take_fault(Fault::kBlas)) return static_cast<cublasStatus_t>(code);
  enqueue(stream, [function, work, workspace = handle->workspace, bytes = handle->workspace_bytes] {
    if (spoil_workspace(function, workspace, bytes)) work();
  });
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t gemm_64(const char* function, cublasHandle_t handle, cublasOperation_t ta,
                       cublasOperation_t tb, int64_t m, int64_t n, int64_t k, const T* alpha,
                       const T* a, int64_t lda, const T* b, int64_t ldb, const T* beta, T* c,
                       int64_t ldc) {
  const Lock lock(card().mutex);
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int64_t a_rows = ta == CUBLAS_OP_N ? m : k;
  const int64_t b_rows = tb == CUBLAS_OP_N ? k : n;
  if (!sizes(m, n, k) || !leads(lda, a_rows) || !leads(ldb, b_rows) || !leads(ldc, m) ||
      alpha == nullptr || beta == nullptr) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  const DeviceMatrixView va{a, a_rows, ta == CUBLAS_OP_N ? k : m, lda, sizeof(T), Part::kAll};
  const DeviceMatrixView vb{b, b_rows, tb == CUBLAS_OP_N ? n : k, ldb, sizeof(T), Part::kAll};
  const DeviceMatrixView vc{c, m, n, ldc, sizeof(T), Part::kAll};
  return run(handle, function, [=, alpha = *alpha, beta = *beta] {
    if (alpha != T{0} && !(can_read(function, "A", va) && can_read(function, "B", vb))) return;
    if (!(beta != T{0} ? can_read(function, "C", vc) : can_write(function, "C", vc))) return;
    gemm(ta, tb, narrow(m), narrow(n), narrow(k), alpha, a, narrow(lda), b, narrow(ldb), beta, c,
         narrow(ldc));
    mark_written(vc);
  });
}

template <class T>
cublasStatus_t syrk_64(const char* function, cublasHandle_t handle, cublasFillMode_t uplo,
                       cublasOperation_t trans, int64_t n, int64_t k, const T* alpha, const T* a,
                       int64_t lda, const T* beta, T* c, int64_t ldc) {
  const Lock lock(card().mutex);
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int64_t a_rows = trans == CUBLAS_OP_N ? n : k;
  if (!sizes(n, k) || !leads(lda, a_rows) || !leads(ldc, n) || alpha == nullptr ||
      beta == nullptr || uplo == CUBLAS_FILL_MODE_FULL) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (n == 0) return CUBLAS_STATUS_SUCCESS;
  const DeviceMatrixView va{a, a_rows, trans == CUBLAS_OP_N ? k : n, lda, sizeof(T), Part::kAll};
  const DeviceMatrixView vc{c, n, n, ldc, sizeof(T), part_of(uplo)};
  return run(handle, function, [=, alpha = *alpha, beta = *beta] {
    if (alpha != T{0} && !can_read(function, "A", va)) return;
    if (!(beta != T{0} ? can_read(function, "C", vc) : can_write(function, "C", vc))) return;
    syrk(uplo, trans, narrow(n), narrow(k), alpha, a, narrow(lda), beta, c, narrow(ldc));
    mark_written(vc);
  });
}

}  // namespace

cublasStatus_t cublasSgemm_64(cublasHandle_t handle, cublasOperation_t transa,
                              cublasOperation_t transb, int64_t m, int64_t n, int64_t k,
                              const float* alpha, const float* a, int64_t lda, const float* b,
                              int64_t ldb, const float* beta, float* c, int64_t ldc) {
  return gemm_64("cublasSgemm_64", handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c,
                 ldc);
}

cublasStatus_t cublasDgemm_64(cublasHandle_t handle, cublasOperation_t transa,
                              cublasOperation_t transb, int64_t m, int64_t n, int64_t k,
                              const double* alpha, const double* a, int64_t lda, const double* b,
                              int64_t ldb, const double* beta, double* c, int64_t ldc) {
  return gemm_64("cublasDgemm_64", handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c,
                 ldc);
}

cublasStatus_t cublasSsyrk_64(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans,
                              int64_t n, int64_t k, const float* alpha, const float* a, int64_t lda,
                              const float* beta, float* c, int64_t ldc) {
  return syrk_64("cublasSsyrk_64", handle, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
}

cublasStatus_t cublasDsyrk_64(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans,
                              int64_t n, int64_t k, const double* alpha, const double* a,
                              int64_t lda, const double* beta, double* c, int64_t ldc) {
  return syrk_64("cublasDsyrk_64", handle, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
}

cublasStatus_t cublasDtrsm_64(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                              cublasOperation_t trans, cublasDiagType_t diag, int64_t m, int64_t n,
                              const double* alpha, const double* a, int64_t lda, double* b,
                              int64_t ldb) {
  const Lock lock(card().mutex);
  constexpr const char* kFunction = "cublasDtrsm_64";
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const int64_t order = side == CUBLAS_SIDE_LEFT ? m : n;
  if (!sizes(m, n) || !leads(lda, order) || !leads(ldb, m) || alpha == nullptr ||
      uplo == CUBLAS_FILL_MODE_FULL) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  const DeviceMatrixView va{a, order, order, lda, sizeof(double), part_of(uplo)};
  const DeviceMatrixView vb{b, m, n, ldb, sizeof(double), Part::kAll};
  return run(handle, kFunction, [=, alpha = *alpha] {
    if (alpha == 0 ? !can_write(kFunction, "B", vb)
                   : !(can_read(kFunction, "A", va) && can_read(kFunction, "B", vb))) {
      return;
    }
    cblas_dtrsm(CblasColMajor, side == CUBLAS_SIDE_LEFT ? CblasLeft : CblasRight, half(uplo),
                op(trans), diag == CUBLAS_DIAG_UNIT ? CblasUnit : CblasNonUnit, narrow(m),
                narrow(n), alpha, a, narrow(lda), b, narrow(ldb));
    mark_written(vb);
  });
}

cublasStatus_t cublasDgeam_64(cublasHandle_t handle, cublasOperation_t transa,
                              cublasOperation_t transb, int64_t m, int64_t n, const double* alpha,
                              const double* a, int64_t lda, const double* beta, const double* b,
                              int64_t ldb, double* c, int64_t ldc) {
  const Lock lock(card().mutex);
  constexpr const char* kFunction = "cublasDgeam_64";
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const bool plain_a = transa == CUBLAS_OP_N;
  const bool plain_b = transb == CUBLAS_OP_N;
  // In place only as itself: not transposed, the same stride.
  const bool overlaps =
      (c == a && (!plain_a || lda != ldc)) || (c == b && (!plain_b || ldb != ldc));
  if (!sizes(m, n) || !leads(lda, plain_a ? m : n) || !leads(ldb, plain_b ? m : n) ||
      !leads(ldc, m) || alpha == nullptr || beta == nullptr || overlaps) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
  const DeviceMatrixView va{a, plain_a ? m : n, plain_a ? n : m, lda, sizeof(double), Part::kAll};
  const DeviceMatrixView vb{b, plain_b ? m : n, plain_b ? n : m, ldb, sizeof(double), Part::kAll};
  const DeviceMatrixView vc{c, m, n, ldc, sizeof(double), Part::kAll};
  return run(handle, kFunction, [=, alpha = *alpha, beta = *beta] {
    if (alpha != 0 && !can_read(kFunction, "A", va)) return;
    if (beta != 0 && !can_read(kFunction, "B", vb)) return;
    if (!can_write(kFunction, "C", vc)) return;
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i < m; ++i) {
        double sum = 0;
        if (alpha != 0) sum += alpha * (plain_a ? a[j * lda + i] : a[i * lda + j]);
        if (beta != 0) sum += beta * (plain_b ? b[j * ldb + i] : b[i * ldb + j]);
        c[j * ldc + i] = sum;
      }
    }
    mark_written(vc);
  });
}
