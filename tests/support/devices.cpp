#include "tests/support/devices.h"

#include <cstdlib>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/errors.h"

namespace ncscope::test {

std::vector<std::string> device_names() { return {"cpu", "cpu_threads_3", "cuda"}; }

std::unique_ptr<Device> find_device(const std::string& name) {
  if (name == "cpu_threads_3") {
    return std::make_unique<CpuDevice>(std::make_shared<ThreadPool>(3));
  }
  try {
    return make_device(parse_backend(name));
  } catch (const BackendUnavailable&) {
    return nullptr;
  }
}

void DeviceTest::SetUp() {
  device_ = find_device(GetParam());
  if (device_) return;
  const char* const required = std::getenv("NCSCOPE_REQUIRE_CUDA");
  if (required != nullptr && std::string(required) == "1") {
    FAIL() << GetParam() << " is not here, and NCSCOPE_REQUIRE_CUDA asks for it";
  }
  GTEST_SKIP() << GetParam() << " is not here";
}

DeviceMatrix DeviceTest::upload(const std::vector<double>& values, size_t rows, size_t cols) {
  return device().upload({values.data(), rows, cols});
}

std::vector<double> DeviceTest::download(ConstMatrix device_matrix) {
  std::vector<double> out(device_matrix.rows * device_matrix.cols);
  device().download(device_matrix, out.data());
  return out;
}

}  // namespace ncscope::test
