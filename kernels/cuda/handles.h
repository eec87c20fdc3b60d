// Owners of the things that CUDA and its libraries hand out.
#pragma once

#include <memory>
#include <type_traits>

#include "kernels/cuda/check.h"

namespace ncscope::cuda {

template <class Handle, auto kDestroy>
struct Destroy {
  using pointer = Handle;
  void operator()(Handle handle) const { kDestroy(handle); }
};

template <class Handle, auto kDestroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<Handle, kDestroy>>;

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using Cublas = Owned<cublasHandle_t, cublasDestroy>;
using Cusolver = Owned<cusolverDnHandle_t, cusolverDnDestroy>;
using CusolverParams = Owned<cusolverDnParams_t, cusolverDnDestroyParams>;
using PinnedMemory = Owned<void*, cudaFreeHost>;

Stream make_stream();  // that does not wait for the default stream
Event make_event();    // without a time
Cublas make_cublas();  // exact products, on no stream yet
Cusolver make_cusolver();
CusolverParams make_cusolver_params();
PinnedMemory allocate_pinned(size_t bytes);

}  // namespace ncscope::cuda
