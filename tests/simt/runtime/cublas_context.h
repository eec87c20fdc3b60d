// What a handle of cuBLAS holds.
#pragma once

#include <cstddef>

#include "cublas_v2.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
};
