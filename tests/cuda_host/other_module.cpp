// A module of another version of ncscope.
#include "kernels/cuda_module.h"

namespace {
constexpr ncscope::CudaModule kModule = {"another version", nullptr};
}  // namespace

extern "C" const ncscope::CudaModule* ncscope_cuda_module() { return &kModule; }
