// Factors and eigenvectors by residual, workspace, devInfo, NaN.
#include <cusolverDn.h>

#include <functional>

#include "tests/simt/matrices.h"

namespace ncscope::simt {
namespace {

class Solver : public CardTest {
 protected:
  void SetUp() override {
    CardTest::SetUp();
    ASSERT_EQ(cusolverDnCreate(&handle_), CUSOLVER_STATUS_SUCCESS);
    ASSERT_EQ(cusolverDnCreateParams(&params_), CUSOLVER_STATUS_SUCCESS);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cusolverDnSetStream(handle_, stream_), CUSOLVER_STATUS_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(cusolverDnDestroyParams(params_), CUSOLVER_STATUS_SUCCESS);
    EXPECT_EQ(cusolverDnDestroy(handle_), CUSOLVER_STATUS_SUCCESS);
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    CardTest::TearDown();
  }

  // devInfo of a factorisation in place.
  int potrf(cublasFillMode_t uplo, int64_t n, double* a, int64_t lda) {
    size_t device_bytes = 0;
    size_t host_bytes = 0;
    EXPECT_EQ(cusolverDnXpotrf_bufferSize(handle_, params_, uplo, n, CUDA_R_64F, a, lda, CUDA_R_64F,
                                          &device_bytes, &host_bytes),
              CUSOLVER_STATUS_SUCCESS);
    const auto device = device_array<char>(device_bytes);
    std::vector<char> host(host_bytes);
    const auto info = device_array<int>(1);
    EXPECT_EQ(cusolverDnXpotrf(handle_, params_, uplo, n, CUDA_R_64F, a, lda, CUDA_R_64F,
                               device.get(), device_bytes, host.data(), host_bytes, info.get()),
              CUSOLVER_STATUS_SUCCESS);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    return download(info.get(), 1)[0];
  }

  int syevd(cusolverEigMode_t jobz, cublasFillMode_t uplo, int64_t n, double* a, int64_t lda,
            double* w) {
    size_t device_bytes = 0;
    size_t host_bytes = 0;
    EXPECT_EQ(cusolverDnXsyevd_bufferSize(handle_, params_, jobz, uplo, n, CUDA_R_64F, a, lda,
                                          CUDA_R_64F, w, CUDA_R_64F, &device_bytes, &host_bytes),
              CUSOLVER_STATUS_SUCCESS);
    const auto device = device_array<char>(device_bytes);
    std::vector<char> host(host_bytes);
    const auto info = device_array<int>(1);
    EXPECT_EQ(cusolverDnXsyevd(handle_, params_, jobz, uplo, n, CUDA_R_64F, a, lda, CUDA_R_64F, w,
                               CUDA_R_64F, device.get(), device_bytes, host.data(), host_bytes,
                               info.get()),
              CUSOLVER_STATUS_SUCCESS);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    return download(info.get(), 1)[0];
  }

  cusolverDnHandle_t handle_ = nullptr;
  cusolverDnParams_t params_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

bool in_triangle(cublasFillMode_t uplo, int64_t i, int64_t j) {
  return uplo == CUBLAS_FILL_MODE_LOWER ? i >= j : i <= j;
}

// Symmetric, positive definite; the other triangle is NaN, as it must not be read.
Columns<double> positive(cublasFillMode_t uplo, int64_t n, int64_t stride) {
  auto a = Columns<double>::random(n, n, stride, 3);
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < n; ++i) {
      if (!in_triangle(uplo, i, j)) a(i, j) = std::numeric_limits<double>::quiet_NaN();
    }
    a(j, j) += static_cast<double>(n);
  }
  return a;
}

double symmetric(const Columns<double>& a, cublasFillMode_t uplo, int64_t i, int64_t j) {
  return in_triangle(uplo, i, j) ? a(i, j) : a(j, i);
}

TEST_F(Solver, Cholesky) {
  constexpr int64_t kN = 6, kStride = 9;
  for (const auto uplo : {CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER}) {
    const Columns<double> a = positive(uplo, kN, kStride);
    const auto data = a.upload();
    ASSERT_EQ(potrf(uplo, kN, data.get(), kStride), 0);
    Columns<double> factor(kN, kN, kStride);
    factor.download(data.get());
    for (int64_t j = 0; j < kN; ++j) {
      for (int64_t i = 0; i < kN; ++i) {
        double sum = 0;
        for (int64_t p = 0; p <= std::min(i, j); ++p) {
          sum += uplo == CUBLAS_FILL_MODE_LOWER ? factor(i, p) * factor(j, p)
                                                : factor(p, i) * factor(p, j);
        }
        EXPECT_NEAR(sum, symmetric(a, uplo, i, j), 1e-14);
      }
    }
  }
}

TEST_F(Solver, CholeskyOfIndefinite) {
  Columns<double> a = positive(CUBLAS_FILL_MODE_LOWER, 5, 5);
  a(3, 3) = -1;
  EXPECT_EQ(potrf(CUBLAS_FILL_MODE_LOWER, 5, a.upload().get(), 5), 4);
}

TEST_F(Solver, CholeskyOfNaN) {
  Columns<double> a = positive(CUBLAS_FILL_MODE_LOWER, 5, 5);
  a(4, 2) = std::numeric_limits<double>::quiet_NaN();
  const auto data = a.upload();
  EXPECT_EQ(potrf(CUBLAS_FILL_MODE_LOWER, 5, data.get(), 5), 0);
  a.download(data.get());
  EXPECT_TRUE(std::isnan(a(0, 0)));
}

TEST_F(Solver, Eigenvectors) {
  constexpr int64_t kN = 7, kStride = 8;
  for (const auto uplo : {CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER}) {
    const Columns<double> a = positive(uplo, kN, kStride);
    const auto data = a.upload();
    const auto values = device_array<double>(kN);
    ASSERT_EQ(syevd(CUSOLVER_EIG_MODE_VECTOR, uplo, kN, data.get(), kStride, values.get()), 0);
    Columns<double> v(kN, kN, kStride);
    v.download(data.get());
    const std::vector<double> w = download(values.get(), kN);
    EXPECT_TRUE(std::is_sorted(w.begin(), w.end()));
    for (int64_t j = 0; j < kN; ++j) {
      for (int64_t i = 0; i < kN; ++i) {
        double product = 0;
        double dot = 0;
        for (int64_t p = 0; p < kN; ++p) {
          product += symmetric(a, uplo, i, p) * v(p, j);
          dot += v(p, i) * v(p, j);
        }
        EXPECT_NEAR(product, w[static_cast<size_t>(j)] * v(i, j), 1e-13);
        EXPECT_NEAR(dot, i == j ? 1 : 0, 1e-14);
      }
    }
    const auto again = a.upload();
    const auto only = device_array<double>(kN);
    ASSERT_EQ(syevd(CUSOLVER_EIG_MODE_NOVECTOR, uplo, kN, again.get(), kStride, only.get()), 0);
    const std::vector<double> values_only = download(only.get(), kN);
    for (size_t i = 0; i < kN; ++i) EXPECT_NEAR(values_only[i], w[i], 1e-13);
  }
}

TEST_F(Solver, WorkspaceIsAskedFor) {
  const auto a = positive(CUBLAS_FILL_MODE_LOWER, 3, 3).upload();
  const auto device = device_array<char>(4096);
  const auto info = device_array<int>(1);
  std::vector<char> host(4096);
  size_t device_bytes = 0;
  size_t host_bytes = 0;
  ASSERT_EQ(cusolverDnXpotrf_bufferSize(handle_, params_, CUBLAS_FILL_MODE_LOWER, 3, CUDA_R_64F,
                                        a.get(), 3, CUDA_R_64F, &device_bytes, &host_bytes),
            CUSOLVER_STATUS_SUCCESS);
  const auto call = [&](int64_t lda, size_t on_device, size_t on_host, cudaDataType type) {
    return cusolverDnXpotrf(handle_, params_, CUBLAS_FILL_MODE_LOWER, 3, type, a.get(), lda, type,
                            device.get(), on_device, host.data(), on_host, info.get());
  };
  EXPECT_EQ(call(3, device_bytes - 1, host_bytes, CUDA_R_64F), CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(3, device_bytes, host_bytes - 1, CUDA_R_64F), CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(2, device_bytes, host_bytes, CUDA_R_64F), CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(3, device_bytes, host_bytes, CUDA_R_32F), CUSOLVER_STATUS_NOT_SUPPORTED);
  inject(Fault::kSolver, 1, CUSOLVER_STATUS_INTERNAL_ERROR);
  EXPECT_EQ(call(3, device_bytes, host_bytes, CUDA_R_64F), CUSOLVER_STATUS_INTERNAL_ERROR);
  EXPECT_EQ(call(3, device_bytes, host_bytes, CUDA_R_64F), CUSOLVER_STATUS_SUCCESS);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
}

TEST_F(Solver, InfoIsDeviceMemory) {
  const auto a = positive(CUBLAS_FILL_MODE_LOWER, 3, 3).upload();
  const auto device = device_array<char>(4096);
  std::vector<char> host(4096);
  int info = 0;
  ASSERT_EQ(cusolverDnXpotrf(handle_, params_, CUBLAS_FILL_MODE_LOWER, 3, CUDA_R_64F, a.get(), 3,
                             CUDA_R_64F, device.get(), 4096, host.data(), 4096, &info),
            CUSOLVER_STATUS_SUCCESS);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorIllegalAddress);
  ASSERT_EQ(findings().size(), 1u);
  EXPECT_EQ(findings()[0].kind, "matrix out of bounds");
}

TEST_F(Solver, VersionIsTold) {
  int major = 0;
  EXPECT_EQ(cusolverGetProperty(MAJOR_VERSION, &major), CUSOLVER_STATUS_SUCCESS);
  EXPECT_EQ(major, 12);
}

}  // namespace
}  // namespace ncscope::simt
