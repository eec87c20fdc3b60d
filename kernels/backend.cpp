#include "kernels/backend.h"

#include "kernels/cpu/cpu_device.h"
#include "kernels/cuda_module.h"
#include "kernels/errors.h"

namespace ncscope {

Backend parse_backend(std::string_view name) {
  if (name == "auto") return Backend::kAuto;
  if (name == "cpu") return Backend::kCpu;
  if (name == "cuda") return Backend::kCuda;
  throw InvalidArgument("parse_backend: expected auto, cpu or cuda, got \"" + std::string(name) +
                        "\"");
}

std::unique_ptr<Device> make_device(const DeviceOptions& options) {
  if (options.backend != Backend::kCpu) {
    try {
      return cuda_module().make(options);
    } catch (const BackendUnavailable&) {
      if (options.backend == Backend::kCuda) throw;
    }
  }
  return std::make_unique<CpuDevice>(ThreadPool::shared(), options.math);
}

std::string why_not_memory(size_t bytes, size_t devices) {
  constexpr size_t kLeastMiB = 320;  // of a device
  if (bytes >> 20 >= kLeastMiB * devices) return {};
  return "expected at least " + std::to_string(kLeastMiB * devices) + "MB of a card for " +
         std::to_string(devices) + (devices == 1 ? " device" : " devices") + ", got " +
         std::to_string(bytes) + " bytes";
}

std::string why_not_cuda() {
  try {
    cuda_module().make({.backend = Backend::kCuda});
  } catch (const BackendUnavailable& error) {
    return error.what();
  }
  return {};
}

}  // namespace ncscope
