#include "tests/support/devices.h"

#include <cstdlib>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/errors.h"
#if NCSCOPE_CUDA_HOST
#include "kernels/cuda/cuda_device.h"
#include "tests/simt/simt.h"
#endif

namespace ncscope::test {

namespace {

#if NCSCOPE_CUDA_HOST
constexpr cuda::Tuning kUsual = {.staging_bytes = 1 << 20};  // rows of tests are short
constexpr cuda::Tuning kSmall = {.staging_slots = 2,
                                 .staging_bytes = 1 << 14,
                                 .pair_rows = 48,
                                 .pair_cols = 320,
                                 .score_rows = 60,
                                 .score_classes = 70,
                                 .unclear_rows = 7};

std::unique_ptr<Device> cuda_on_host(const std::string& name, Math math) {
  return std::make_unique<cuda::CudaDevice>(cuda::Card::get(), math,
                                            name == "cuda_host_small" ? kSmall : kUsual);
}
#else
std::unique_ptr<Device> cuda_on_host(const std::string&, Math) { return nullptr; }
#endif

}  // namespace

std::vector<std::string> device_names() {
  return {"cpu", "cpu_threads_3", "cuda_host", "cuda_host_small", "cuda"};
}

std::unique_ptr<Device> find_device(const std::string& name, Math math) {
  if (name == "cpu_threads_3") {
    return std::make_unique<CpuDevice>(std::make_shared<ThreadPool>(3), math);
  }
  if (name.starts_with("cuda_host")) return cuda_on_host(name, math);
  try {
    return make_device({.backend = parse_backend(name), .math = math});
  } catch (const BackendUnavailable&) {
    return nullptr;
  }
}

void DeviceTest::SetUp() {
  device_ = find_device(GetParam());
  if (device_) return;
  const char* const required = std::getenv("NCSCOPE_REQUIRE_CUDA");
  if (required != nullptr && std::string(required) == "1" && GetParam() == "cuda") {
    FAIL() << GetParam() << " is not here, and NCSCOPE_REQUIRE_CUDA asks for it";
  }
  GTEST_SKIP() << GetParam() << " is not here";
}

void DeviceTest::TearDown() {
  if (!device_) return;
  device_.reset();
#if NCSCOPE_CUDA_HOST
  for (const simt::Finding& finding : simt::findings()) ADD_FAILURE() << finding.text;
  simt::clear_findings();
#endif
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
