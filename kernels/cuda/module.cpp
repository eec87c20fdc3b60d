// The one door of the module.
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda_module.h"
#include "kernels/errors.h"

namespace ncscope::cuda {
namespace {

// A card that is full, taken by another process, or of an architecture without kernels is not
// usable either.
std::unique_ptr<Device> make(const DeviceOptions& options) {
  try {
    return std::make_unique<CudaDevice>(Card::get(options.memory_bytes), options.math);
  } catch (const OutOfMemory& error) {
    throw BackendUnavailable("cuda has no usable card: " + std::string(error.what()));
  } catch (const DeviceError& error) {
    throw BackendUnavailable("cuda has no usable card: " + std::string(error.what()));
  }
}

constexpr CudaModule kModule = {NCSCOPE_DEVICE_INTERFACE, make};

}  // namespace
}  // namespace ncscope::cuda

extern "C" [[gnu::visibility("default")]] const ncscope::CudaModule* ncscope_cuda_module() {
  return &ncscope::cuda::kModule;
}
