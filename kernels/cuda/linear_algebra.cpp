// CudaDevice: dense linear algebra in float64. cuBLAS and cuSOLVER are column-major: a row-major
// matrix is the transpose of a column-major one, so operands change places, a lower triangle is an
// upper one there, and eigenvectors in columns are rows here.
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/matrix_kernels.h"
#include "kernels/errors.h"

namespace ncscope::cuda {
namespace {

int64_t size(size_t n) { return static_cast<int64_t>(n); }

cublasOperation_t op(bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; }

std::string refused(const char* routine, int info) {
  return std::string(routine) + " refused argument " + std::to_string(-info);
}

// syevd says so when a matrix is too large for it, before it begins: a number that cannot be had,
// not a fault.
void check_size(cusolverStatus_t status, size_t rows) {
  if (status != CUSOLVER_STATUS_INVALID_VALUE && status != CUSOLVER_STATUS_NOT_SUPPORTED) return;
  throw NumericalError("eigh: cuSOLVER does not take a matrix of " + std::to_string(rows) +
                       " rows (status " + std::to_string(static_cast<int>(status)) + ")");
}

}  // namespace

void CudaDevice::do_gemm(bool transpose_a, bool transpose_b, double alpha, ConstMatrix a,
                         ConstMatrix b, double beta, Matrix c) {
  const size_t inner = transpose_a ? a.rows : a.cols;
  if (inner == 0) return scale(stream_.get(), beta, c);
  NCSCOPE_CUDA_TRY(cublasDgemm_64(cublas_.get(), op(transpose_b), op(transpose_a), size(c.cols),
                                  size(c.rows), size(inner), &alpha, b.data, size(b.stride), a.data,
                                  size(a.stride), &beta, c.data, size(c.stride)));
}

void CudaDevice::do_syrk(bool transpose, double alpha, ConstMatrix a, double beta, Matrix c) {
  const size_t inner = transpose ? a.rows : a.cols;
  if (inner == 0) {
    scale(stream_.get(), beta, c);
  } else {
    NCSCOPE_CUDA_TRY(cublasDsyrk_64(cublas_.get(), CUBLAS_FILL_MODE_LOWER, op(!transpose),
                                    size(c.rows), size(inner), &alpha, a.data, size(a.stride),
                                    &beta, c.data, size(c.stride)));
  }
  mirror_upper(stream_.get(), c);
}

bool CudaDevice::do_cholesky(Matrix a) {
  size_t device_bytes = 0;
  size_t host_bytes = 0;
  NCSCOPE_CUDA_TRY(cusolverDnXpotrf_bufferSize(
      cusolver_.get(), cusolver_params_.get(), CUBLAS_FILL_MODE_UPPER, size(a.rows), CUDA_R_64F,
      a.data, size(a.stride), CUDA_R_64F, &device_bytes, &host_bytes));
  // Two numbers in front: the routine's info, and whether a pivot is not finite.
  auto* const flags = vectors_.get<int>(memory_, 2);
  auto* const workspace = solver_workspace_.get<std::byte>(memory_, device_bytes);
  solver_host_workspace_.resize(host_bytes);
  NCSCOPE_CUDA_TRY(cudaMemsetAsync(flags, 0, 2 * sizeof(int), stream_.get()));
  NCSCOPE_CUDA_TRY(cusolverDnXpotrf(cusolver_.get(), cusolver_params_.get(), CUBLAS_FILL_MODE_UPPER,
                                    size(a.rows), CUDA_R_64F, a.data, size(a.stride), CUDA_R_64F,
                                    workspace, device_bytes, solver_host_workspace_.data(),
                                    host_bytes, flags));
  find_nonfinite(stream_.get(), a, true, flags + 1);
  int host_flags[2] = {};
  do_copy_to_host(host_flags, flags, sizeof(host_flags));
  if (host_flags[0] < 0) throw DeviceError("cholesky: " + refused("potrf", host_flags[0]));
  return host_flags[0] == 0 && host_flags[1] == 0;
}

// L L^T X = B is X^T U^T U = B^T with U = L^T, and row-major X, B, L are X^T, B^T, U there.
void CudaDevice::do_cholesky_solve(ConstMatrix factor, Matrix b) {
  const double one = 1;
  for (const cublasOperation_t side : {CUBLAS_OP_N, CUBLAS_OP_T}) {
    NCSCOPE_CUDA_TRY(cublasDtrsm_64(cublas_.get(), CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_UPPER, side,
                                    CUBLAS_DIAG_NON_UNIT, size(b.cols), size(b.rows), &one,
                                    factor.data, size(factor.stride), b.data, size(b.stride)));
  }
}

std::vector<double> CudaDevice::do_eigh(Matrix a, bool with_vectors) {
  const cusolverEigMode_t job =
      with_vectors ? CUSOLVER_EIG_MODE_VECTOR : CUSOLVER_EIG_MODE_NOVECTOR;
  auto* const flags = vectors_.get<int>(memory_, 2 + 2 * a.rows);
  auto* const values = reinterpret_cast<double*>(flags + 2);
  NCSCOPE_CUDA_TRY(cudaMemsetAsync(flags, 0, 2 * sizeof(int), stream_.get()));
  find_nonfinite(stream_.get(), a, false, flags + 1);
  int host_flags[2] = {};
  do_copy_to_host(host_flags, flags, sizeof(host_flags));
  if (host_flags[1] != 0) throw NumericalError("eigh: the matrix holds a NaN");

  size_t device_bytes = 0;
  size_t host_bytes = 0;
  const cusolverStatus_t status = cusolverDnXsyevd_bufferSize(
      cusolver_.get(), cusolver_params_.get(), job, CUBLAS_FILL_MODE_UPPER, size(a.rows),
      CUDA_R_64F, a.data, size(a.stride), CUDA_R_64F, values, CUDA_R_64F, &device_bytes,
      &host_bytes);
  check_size(status, a.rows);
  check(status, "cusolverDnXsyevd_bufferSize");
  auto* const workspace = solver_workspace_.get<std::byte>(memory_, device_bytes);
  solver_host_workspace_.resize(host_bytes);
  NCSCOPE_CUDA_TRY(cusolverDnXsyevd(
      cusolver_.get(), cusolver_params_.get(), job, CUBLAS_FILL_MODE_UPPER, size(a.rows),
      CUDA_R_64F, a.data, size(a.stride), CUDA_R_64F, values, CUDA_R_64F, workspace, device_bytes,
      solver_host_workspace_.data(), host_bytes, flags));
  do_copy_to_host(host_flags, flags, sizeof(host_flags));
  if (host_flags[0] < 0) throw DeviceError("eigh: " + refused("syevd", host_flags[0]));
  if (host_flags[0] > 0) throw NumericalError("eigh: syevd did not converge");
  std::vector<double> out(a.rows);
  do_copy_to_host(out.data(), values, out.size() * sizeof(double));
  return out;
}

std::vector<double> CudaDevice::do_row_dots(ConstMatrix a, ConstMatrix b) {
  auto* const dots = vectors_.get<double>(memory_, a.rows);
  cuda::row_dots(stream_.get(), a, b, dots);
  std::vector<double> out(a.rows);
  do_copy_to_host(out.data(), dots, out.size() * sizeof(double));
  return out;
}

void CudaDevice::do_scale_rows(Matrix a, std::span<const double> factors) {
  auto* const device_factors = vectors_.get<double>(memory_, factors.size());
  do_copy_to_device(device_factors, factors.data(), factors.size_bytes());
  cuda::scale_rows(stream_.get(), device_factors, a);
}

void CudaDevice::do_subtract_row(Matrix a, std::span<const double> v) {
  auto* const device_v = vectors_.get<double>(memory_, v.size());
  do_copy_to_device(device_v, v.data(), v.size_bytes());
  cuda::subtract_row(stream_.get(), device_v, a);
}

void CudaDevice::products(ConstMatrix a, ConstMatrix b, double* out) {
  do_gemm(false, true, 1, a, b, 0, {out, a.rows, b.rows});
}

}  // namespace ncscope::cuda
