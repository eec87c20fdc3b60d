#include "kernels/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cpu/blas_library.h"
#include "kernels/errors.h"

namespace ncscope {
namespace {

TEST(Backend, ParsesNamesAndNamesTheChoices) {
  EXPECT_EQ(parse_backend("auto"), Backend::kAuto);
  EXPECT_EQ(parse_backend("cpu"), Backend::kCpu);
  EXPECT_EQ(parse_backend("cuda"), Backend::kCuda);
  try {
    parse_backend("tpu");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "parse_backend: expected auto, cpu or cuda, got \"tpu\"");
  }
}

TEST(Backend, TheProcessorIsAlwaysThere) {
  const DeviceInfo info = make_device(Backend::kCpu)->info();
  EXPECT_EQ(info.backend, "cpu");
  EXPECT_EQ(info.math, "exact");
  EXPECT_EQ(info.memory_bytes, 0u);
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(info.parallelism, 1u);
  EXPECT_THAT(info.libraries, testing::Contains(blas::version()));
  EXPECT_EQ(make_device({.backend = Backend::kCpu, .math = Math::kFloat64})->info().math, "fp64");
}

TEST(Backend, SaysHowMuchMemoryDevicesNeed) {
  constexpr size_t kMiB = size_t{1} << 20;
  EXPECT_EQ(why_not_memory(320 * kMiB, 1), "");
  EXPECT_EQ(why_not_memory(SIZE_MAX, 64), "");
  EXPECT_EQ(why_not_memory(0, 1), "expected at least 320MB of a card for 1 device, got 0 bytes");
  EXPECT_EQ(why_not_memory(960 * kMiB - 1, 3),
            "expected at least 960MB of a card for 3 devices, got 1006632959 bytes");
}

// What happens where there is a module is in tests/client/cli/cuda_test.cpp.
TEST(Backend, WithoutTheModuleAutoIsTheProcessorAndCudaSaysWhy) {
  setenv("NCSCOPE_CUDA_MODULE", "/nowhere/ncscope_cuda.so", 1);
  const std::string why =
      "cuda is not part of this installation: there is no /nowhere/ncscope_cuda.so";
  EXPECT_EQ(why_not_cuda(), why);
  EXPECT_EQ(make_device(Backend::kAuto)->info().backend, "cpu");
  try {
    make_device(Backend::kCuda);
    ADD_FAILURE();
  } catch (const BackendUnavailable& error) {
    EXPECT_EQ(error.what(), why);
  }
  unsetenv("NCSCOPE_CUDA_MODULE");
}

}  // namespace
}  // namespace ncscope
