// The one door of the module.
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda_module.h"

namespace ncscope::cuda {
namespace {

std::unique_ptr<Device> make(const DeviceOptions& options) {
  return std::make_unique<CudaDevice>(Card::get(options.memory_bytes), options.math);
}

constexpr CudaModule kModule = {NCSCOPE_DEVICE_INTERFACE, Card::require, make};

}  // namespace
}  // namespace ncscope::cuda

extern "C" [[gnu::visibility("default")]] const ncscope::CudaModule* ncscope_cuda_module() {
  return &ncscope::cuda::kModule;
}
