// The devices that the conformance suite runs on, by name.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace ncscope::test {

// "cpu"; "cpu_threads_3", whose own loops run on three threads wherever they are; "cuda"; and
// kernels/cuda on the host (tests/simt): "cuda_host", and "cuda_host_small", whose tiles, panels
// and staging slots are so small that every loop over them goes round.
std::vector<std::string> device_names();

// Null where the device is not here.
std::unique_ptr<Device> find_device(const std::string& name, Math math = Math::kExact);

// A test on each device. One that is not here is a visible skip, or a failure where the variable
// NCSCOPE_REQUIRE_CUDA is 1.
class DeviceTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;  // whatever a kernel did wrong fails the test that ran it
  Device& device() { return *device_; }
  // A device copy of [rows, cols] values.
  DeviceMatrix upload(const std::vector<double>& values, size_t rows, size_t cols);
  std::vector<double> download(ConstMatrix device_matrix);

 private:
  std::unique_ptr<Device> device_;
};

}  // namespace ncscope::test

#define NCSCOPE_TEST_ON_DEVICES(Suite)                                                           \
  INSTANTIATE_TEST_SUITE_P(Devices, Suite, ::testing::ValuesIn(::ncscope::test::device_names()), \
                           [](const auto& info) { return info.param; })
