// What cuBLAS refuses, what it reads, and faults on demand.
#include "tests/simt/blas_fixture.h"

namespace ncscope::simt {
namespace {

TEST_F(Blas, RefusesBadArguments) {
  const auto data = device_array<double>(64);
  double* x = data.get();
  const auto n = CUBLAS_OP_N, t = CUBLAS_OP_T;
  EXPECT_EQ(gemm(n, n, 4, 2, 3, 1.0, x, 3, x, 3, 0.0, x, 4), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(n, n, 4, 2, 3, 1.0, x, 4, x, 2, 0.0, x, 4), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(n, n, 4, 2, 3, 1.0, x, 4, x, 3, 0.0, x, 3), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(t, n, 4, 2, 3, 1.0, x, 2, x, 3, 0.0, x, 4), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(n, t, 4, 2, 3, 1.0, x, 4, x, 1, 0.0, x, 4), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(n, n, -1, 2, 3, 1.0, x, 4, x, 3, 0.0, x, 4), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(n, n, 0, 2, 3, 1.0, x, 0, x, 3, 0.0, x, 0), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(n, n, 0, 2, 3, 1.0, x, 1, x, 3, 0.0, x, 1), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(syrk(CUBLAS_FILL_MODE_FULL, n, 2, 2, 1.0, x, 2, 0.0, x, 2),
            CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(syrk(CUBLAS_FILL_MODE_LOWER, t, 2, 3, 1.0, x, 2, 0.0, x, 2),
            CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(cublasSetWorkspace(handle_, data.get() + 1, 8), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(cublasSetMathMode(handle_, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cublasSetPointerMode(handle_, CUBLAS_POINTER_MODE_DEVICE), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(cublasSetStream(nullptr, nullptr), CUBLAS_STATUS_NOT_INITIALIZED);
  EXPECT_STREQ(cublasGetStatusName(CUBLAS_STATUS_EXECUTION_FAILED),
               "CUBLAS_STATUS_EXECUTION_FAILED");
}

TEST_F(Blas, MatricesMustBeInDeviceMemoryAndWritten) {
  const auto a = Columns<double>::random(4, 4, 4, 1);
  const auto good = a.upload();
  const auto fresh = device_array<double>(16);
  const auto n = CUBLAS_OP_N;
  const auto expect = [&](const char* kind) {
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorIllegalAddress);
    ASSERT_EQ(findings().size(), 1u);
    EXPECT_EQ(findings()[0].kind, kind);
    EXPECT_EQ(findings()[0].kernel, "cublasDgemm_64");
    reset();
    clear_findings();
  };
  ASSERT_EQ(gemm(n, n, 4, 4, 4, 1.0, a.values.data(), 4, good.get(), 4, 0.0, fresh.get(), 4),
            CUBLAS_STATUS_SUCCESS);
  expect("matrix out of bounds");
  ASSERT_EQ(gemm(n, n, 4, 4, 4, 1.0, good.get(), 4, good.get(), 4, 0.0, fresh.get(), 5),
            CUBLAS_STATUS_SUCCESS);
  expect("matrix out of bounds");
  if (!checked()) return;
  ASSERT_EQ(gemm(n, n, 4, 4, 4, 1.0, good.get(), 4, fresh.get(), 4, 0.0, good.get(), 4),
            CUBLAS_STATUS_SUCCESS);
  expect("read of unwritten global memory");
  ASSERT_EQ(gemm(n, n, 4, 4, 4, 1.0, good.get(), 4, good.get(), 4, 1.0, fresh.get(), 4),
            CUBLAS_STATUS_SUCCESS);
  expect("read of unwritten global memory");
}

TEST_F(Blas, WorkspaceIsTheLibrarys) {
  const auto a = Columns<double>::random(4, 4, 4, 1).upload();
  const auto c = device_array<double>(16);
  const auto workspace = upload(std::vector<int>(64, 5));
  ASSERT_EQ(cublasSetWorkspace(handle_, workspace.get(), 128), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(gemm(CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, 1.0, a.get(), 4, a.get(), 4, 0.0, c.get(), 4),
            CUBLAS_STATUS_SUCCESS);
  finish();
  EXPECT_NE(download(workspace.get(), 64)[31], 5);
  EXPECT_EQ(download(workspace.get(), 64)[32], 5);
}

TEST_F(Blas, CallsFailOnDemand) {
  const auto a = Columns<double>::random(4, 4, 4, 1).upload();
  const auto n = CUBLAS_OP_N;
  const auto product = [&] {
    return gemm(n, n, 2, 2, 2, 1.0, a.get(), 4, a.get(), 4, 0.0, a.get() + 8, 4);
  };
  inject(Fault::kBlas, 2, CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(product(), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(product(), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(product(), CUBLAS_STATUS_SUCCESS);
  finish();
}

}  // namespace
}  // namespace ncscope::simt
