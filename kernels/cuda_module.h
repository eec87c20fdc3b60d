// The CUDA device is a module that is loaded when it is asked for, so that one program serves hosts
// with and without CUDA's libraries.
#pragma once

#include <memory>

#include "kernels/backend.h"

namespace ncscope {

// What a module offers. It is never unloaded.
struct CudaModule {
  const char* interface;  // that of the headers it was compiled with
  // Throws BackendUnavailable where there is no usable card.
  std::unique_ptr<Device> (*make)(const DeviceOptions& options);
};

// Its one symbol, a function without arguments that returns `const CudaModule*`.
inline constexpr const char* kCudaModuleSymbol = "ncscope_cuda_module";

// Where it is looked for: NCSCOPE_CUDA_MODULE, else ../lib/ncscope/ncscope_cuda.so beside the
// program's folder.
std::string cuda_module_path();

// Loads it, once in a process. Throws BackendUnavailable: not installed, a library that it needs is
// missing, or of another version of ncscope.
const CudaModule& cuda_module();

}  // namespace ncscope
