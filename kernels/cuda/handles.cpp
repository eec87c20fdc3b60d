#include "kernels/cuda/handles.h"

namespace ncscope::cuda {

Stream make_stream() {
  cudaStream_t stream = nullptr;
  NCSCOPE_CUDA_TRY(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

Event make_event() {
  cudaEvent_t event = nullptr;
  NCSCOPE_CUDA_TRY(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return Event(event);
}

Cublas make_cublas() {
  cublasHandle_t handle = nullptr;
  NCSCOPE_CUDA_TRY(cublasCreate(&handle));
  Cublas owned(handle);
  // The default math uses no TF32; neither are sums kept in less than the type of the result.
  NCSCOPE_CUDA_TRY(cublasSetMathMode(
      handle, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                        CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)));
  return owned;
}

Cusolver make_cusolver() {
  cusolverDnHandle_t handle = nullptr;
  NCSCOPE_CUDA_TRY(cusolverDnCreate(&handle));
  return Cusolver(handle);
}

CusolverParams make_cusolver_params() {
  cusolverDnParams_t params = nullptr;
  NCSCOPE_CUDA_TRY(cusolverDnCreateParams(&params));
  return CusolverParams(params);
}

PinnedMemory allocate_pinned(size_t bytes) {
  void* data = nullptr;
  NCSCOPE_CUDA_TRY(cudaHostAlloc(&data, bytes, cudaHostAllocDefault));
  return PinnedMemory(data);
}

}  // namespace ncscope::cuda
