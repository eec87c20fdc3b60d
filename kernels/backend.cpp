#include "kernels/backend.h"

#include "kernels/cpu/cpu_device.h"
#include "kernels/errors.h"

namespace ncscope {

Backend parse_backend(std::string_view name) {
  if (name == "auto") return Backend::kAuto;
  if (name == "cpu") return Backend::kCpu;
  if (name == "cuda") return Backend::kCuda;
  throw InvalidArgument("parse_backend: expected auto, cpu or cuda, got \"" + std::string(name) +
                        "\"");
}

std::vector<std::string> built_backends() { return {"cpu"}; }

std::unique_ptr<Device> make_device(Backend backend) {
  if (backend == Backend::kCuda) {
    throw BackendUnavailable("make_device: cuda is not part of this build, which has: cpu");
  }
  return std::make_unique<CpuDevice>();
}

}  // namespace ncscope
