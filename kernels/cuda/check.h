// Statuses of CUDA and its libraries as exceptions.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>

namespace ncscope::cuda {

// Throw what `status` of `call` means, if it is not success: OutOfMemory; DeviceLost where every
// later call would fail too; else DeviceError.
void check(cudaError_t status, const char* call);
void check(cublasStatus_t status, const char* call);
void check(cusolverStatus_t status, const char* call);

// Whether this process has lost its card.
bool card_lost();

}  // namespace ncscope::cuda

#define NCSCOPE_CUDA_TRY(call) ::ncscope::cuda::check((call), #call)
