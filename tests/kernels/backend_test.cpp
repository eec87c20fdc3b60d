#include "kernels/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_THAT(installed_backends(), testing::Contains("cpu"));
  const DeviceInfo info = make_device(Backend::kCpu)->info();
  EXPECT_EQ(info.backend, "cpu");
  EXPECT_EQ(info.math, "exact");
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(info.parallelism, 1u);
  EXPECT_THAT(info.libraries, testing::Contains(testing::HasSubstr("OpenBLAS")));
}

TEST(Backend, ABackendThatWasNotBuiltIsNotReplacedByAnother) {
  for (const std::string& name : installed_backends()) {
    if (name == "cuda") GTEST_SKIP() << "cuda was built";
  }
  EXPECT_THROW(make_device(Backend::kCuda), BackendUnavailable);
}

}  // namespace
}  // namespace ncscope
