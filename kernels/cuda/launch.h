// Kernel launches that are checked.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/cuda/check.h"

namespace ncscope::cuda {

// A launch without chevrons, which only nvcc understands. `grid` counts blocks of `threads`.
template <class... Parameters, class... Arguments>
void launch(cudaStream_t stream, dim3 grid, unsigned threads, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.stream = stream;
  NCSCOPE_CUDA_TRY(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...));
}

inline unsigned blocks_of(size_t items, size_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

}  // namespace ncscope::cuda
