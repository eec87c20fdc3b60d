#include "kernels/cpu/cpu_device.h"

#include <lapacke.h>

#include <fstream>

#include "kernels/cpu/blas_library.h"

namespace ncscope {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

std::string lapack_version() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  LAPACK_ilaver(&major, &minor, &patch);
  return "LAPACK " + std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(patch);
}

}  // namespace

CpuDevice::CpuDevice(std::shared_ptr<ThreadPool> pool, Math math)
    : Device(math), pool_(std::move(pool)) {}

DeviceInfo CpuDevice::info() const {
  DeviceInfo info;
  info.backend = "cpu";
  info.name = processor_name();
  info.math = math_name(math());
  info.libraries = {blas::version(), lapack_version()};
  info.advice = blas::advice();
  info.parallelism = static_cast<uint32_t>(pool_->threads());
  return info;
}

}  // namespace ncscope
