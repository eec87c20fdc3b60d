// cuSOLVER over LAPACK.
#include <lapacke.h>

#include <climits>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cusolverDn.h"
#include "tests/simt/runtime/library.h"

using namespace ncscope::simt;

struct cusolverDnContext {
  cudaStream_t stream = nullptr;
};
struct cusolverDnParams {};

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// More than nothing, so that a caller who passes none is found out.
size_t device_workspace(int64_t n) { return 256 + 64 * static_cast<size_t>(n); }
size_t host_workspace(int64_t n) { return 128 + 32 * static_cast<size_t>(n); }

char letter(cublasFillMode_t uplo) { return uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U'; }

bool valid(cublasFillMode_t uplo, int64_t n, int64_t lda) {
  return uplo != CUBLAS_FILL_MODE_FULL && n >= 0 && n <= INT_MAX && lda <= INT_MAX &&
         lda >= (n > 1 ? n : 1);
}

bool has_nan(const DeviceMatrixView& matrix) {
  bool found = false;
  for_each_column(matrix, [&](int64_t first, int64_t rows, int64_t column) {
    const double* data = static_cast<const double*>(matrix.data) + column * matrix.stride + first;
    for (int64_t i = 0; i < rows; ++i) found = found || std::isnan(data[i]);
  });
  return found;
}

void fill_nan(const DeviceMatrixView& matrix, double* data) {
  for_each_column(matrix, [&](int64_t first, int64_t rows, int64_t column) {
    for (int64_t i = 0; i < rows; ++i) data[column * matrix.stride + first + i] = kNaN;
  });
}

struct Workspace {
  void* device;
  size_t device_bytes;
  void* host;
  size_t host_bytes;
};

// Queues work(); it gives devInfo.
template <class F>
cusolverStatus_t run(cusolverDnHandle_t handle, const char* function, int64_t n,
                     const Workspace& workspace, int* info, F work) {
  if (card().sticky != cudaSuccess) return CUSOLVER_STATUS_EXECUTION_FAILED;
  CUstream_st* stream = find_stream(handle->stream);
  if (stream == nullptr) return CUSOLVER_STATUS_EXECUTION_FAILED;
  if (const int code = take_fault(Fault::kSolver)) return static_cast<cusolverStatus_t>(code);
  if (workspace.device_bytes < device_workspace(n) || workspace.host_bytes < host_workspace(n) ||
      workspace.device == nullptr || workspace.host == nullptr || info == nullptr) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  std::memset(workspace.host, 0xfe, workspace.host_bytes);
  enqueue(stream, [=] {
    const DeviceMatrixView info_view{info, 1, 1, 1, sizeof(int), Part::kAll};
    if (!can_write(function, "devInfo", info_view)) return;
    if (!spoil_workspace(function, workspace.device, workspace.device_bytes)) return;
    int result = 0;
    if (!work(result)) return;
    *info = result;
    mark_written(info_view);
  });
  return CUSOLVER_STATUS_SUCCESS;
}

bool float64(cudaDataType a, cudaDataType b, cudaDataType c) {
  return a == CUDA_R_64F && b == CUDA_R_64F && c == CUDA_R_64F;
}

// dsyevd, whose own workspace is the host's.
int eigen(cusolverEigMode_t jobz, cublasFillMode_t uplo, int n, double* a, int lda, double* w) {
  const char job = jobz == CUSOLVER_EIG_MODE_VECTOR ? 'V' : 'N';
  double work_size = 0;
  lapack_int int_size = 0;
  LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, letter(uplo), n, a, lda, w, &work_size, -1, &int_size,
                      -1);
  std::vector<double> work(static_cast<size_t>(work_size));
  std::vector<lapack_int> ints(static_cast<size_t>(int_size));
  return LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, letter(uplo), n, a, lda, w, work.data(),
                             static_cast<lapack_int>(work.size()), ints.data(), int_size);
}

}  // namespace

cusolverStatus_t cusolverGetProperty(libraryPropertyType type, int* value) {
  if (value == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  *value = type == MAJOR_VERSION   ? CUSOLVER_VER_MAJOR
           : type == MINOR_VERSION ? CUSOLVER_VER_MINOR
                                   : CUSOLVER_VER_PATCH;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  const Lock lock(card().mutex);
  if (handle == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  if (card().sticky != cudaSuccess || card().devices == 0) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (const int code = take_fault(Fault::kSolver)) return static_cast<cusolverStatus_t>(code);
  *handle = new cusolverDnContext;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  const Lock lock(card().mutex);
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  drain_all();
  delete handle;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSetDeterministicMode(cusolverDnHandle_t handle,
                                                cusolverDeterministicMode_t) {
  return handle == nullptr ? CUSOLVER_STATUS_NOT_INITIALIZED : CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* params) {
  if (params == nullptr) return CUSOLVER_STATUS_INVALID_VALUE;
  *params = new cusolverDnParams;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params) {
  if (params == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  delete params;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXpotrf_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t,
                                             cublasFillMode_t uplo, int64_t n,
                                             cudaDataType data_type, const void*, int64_t lda,
                                             cudaDataType compute_type, size_t* device_bytes,
                                             size_t* host_bytes) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(uplo, n, lda) || device_bytes == nullptr || host_bytes == nullptr) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  if (!float64(data_type, data_type, compute_type)) return CUSOLVER_STATUS_NOT_SUPPORTED;
  *device_bytes = device_workspace(n);
  *host_bytes = host_workspace(n);
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXpotrf(cusolverDnHandle_t handle, cusolverDnParams_t,
                                  cublasFillMode_t uplo, int64_t n, cudaDataType data_type, void* a,
                                  int64_t lda, cudaDataType compute_type, void* device_buffer,
                                  size_t device_bytes, void* host_buffer, size_t host_bytes,
                                  int* info) {
  const Lock lock(card().mutex);
  constexpr const char* kFunction = "cusolverDnXpotrf";
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(uplo, n, lda)) return CUSOLVER_STATUS_INVALID_VALUE;
  if (!float64(data_type, data_type, compute_type)) return CUSOLVER_STATUS_NOT_SUPPORTED;
  const Workspace workspace{device_buffer, device_bytes, host_buffer, host_bytes};
  const Part part = uplo == CUBLAS_FILL_MODE_LOWER ? Part::kLower : Part::kUpper;
  return run(handle, kFunction, n, workspace, info, [=](int& result) {
    const DeviceMatrixView view{a, n, n, lda, sizeof(double), part};
    if (!can_read(kFunction, "A", view)) return false;
    double* data = static_cast<double*>(a);
    // A NaN need not be noticed by the real one either.
    if (has_nan(view)) {
      fill_nan(view, data);
      return true;
    }
    result = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, letter(uplo), static_cast<int>(n), data,
                                 static_cast<int>(lda));
    return true;
  });
}

cusolverStatus_t cusolverDnXsyevd_bufferSize(cusolverDnHandle_t handle, cusolverDnParams_t,
                                             cusolverEigMode_t, cublasFillMode_t uplo, int64_t n,
                                             cudaDataType data_type, const void*, int64_t lda,
                                             cudaDataType value_type, const void*,
                                             cudaDataType compute_type, size_t* device_bytes,
                                             size_t* host_bytes) {
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(uplo, n, lda) || device_bytes == nullptr || host_bytes == nullptr) {
    return CUSOLVER_STATUS_INVALID_VALUE;
  }
  if (!float64(data_type, value_type, compute_type)) return CUSOLVER_STATUS_NOT_SUPPORTED;
  if (const int code = take_fault(Fault::kSolverSize)) return static_cast<cusolverStatus_t>(code);
  *device_bytes = device_workspace(n);
  *host_bytes = host_workspace(n);
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXsyevd(cusolverDnHandle_t handle, cusolverDnParams_t,
                                  cusolverEigMode_t jobz, cublasFillMode_t uplo, int64_t n,
                                  cudaDataType data_type, void* a, int64_t lda,
                                  cudaDataType value_type, void* w, cudaDataType compute_type,
                                  void* device_buffer, size_t device_bytes, void* host_buffer,
                                  size_t host_bytes, int* info) {
  const Lock lock(card().mutex);
  constexpr const char* kFunction = "cusolverDnXsyevd";
  if (handle == nullptr) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (!valid(uplo, n, lda)) return CUSOLVER_STATUS_INVALID_VALUE;
  if (!float64(data_type, value_type, compute_type)) return CUSOLVER_STATUS_NOT_SUPPORTED;
  const Workspace workspace{device_buffer, device_bytes, host_buffer, host_bytes};
  const Part part = uplo == CUBLAS_FILL_MODE_LOWER ? Part::kLower : Part::kUpper;
  return run(handle, kFunction, n, workspace, info, [=](int& result) {
    const DeviceMatrixView half{a, n, n, lda, sizeof(double), part};
    const DeviceMatrixView all{a, n, n, lda, sizeof(double), Part::kAll};
    const DeviceMatrixView values{w, n, 1, n > 0 ? n : 1, sizeof(double), Part::kAll};
    if (!can_read(kFunction, "A", half) || !can_write(kFunction, "A", all) ||
        !can_write(kFunction, "W", values)) {
      return false;
    }
    double* matrix = static_cast<double*>(a);
    double* eigenvalues = static_cast<double*>(w);
    if (has_nan(half)) {
      fill_nan(all, matrix);
      fill_nan(values, eigenvalues);
    } else if (n > 0) {
      result = eigen(jobz, uplo, static_cast<int>(n), matrix, static_cast<int>(lda), eigenvalues);
    }
    mark_written(all);
    mark_written(values);
    return true;
  });
}
