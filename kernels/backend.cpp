#include "kernels/backend.h"

#include <unistd.h>

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

std::vector<std::string> installed_backends() {
  std::vector<std::string> names = {"cpu"};
  if (access(cuda_module_path().c_str(), F_OK) == 0) names.push_back("cuda");
  return names;
}

std::unique_ptr<Device> make_device(const DeviceOptions& options) {
  const bool may_be_cpu = options.backend != Backend::kCuda;
  if (options.backend != Backend::kCpu) {
    try {
      return cuda_module().make(options);
    } catch (const BackendUnavailable& error) {
      if (!may_be_cpu) throw BackendUnavailable("make_device: " + std::string(error.what()));
    }
  }
  return std::make_unique<CpuDevice>(ThreadPool::shared(), options.math);
}

std::string why_not_cuda() {
  try {
    cuda_module().require_card();
  } catch (const BackendUnavailable& error) {
    return error.what();
  }
  return {};
}

}  // namespace ncscope
