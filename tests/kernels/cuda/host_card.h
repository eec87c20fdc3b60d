// Devices on the card of tests/simt.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "kernels/accumulator.h"
#include "kernels/cuda/cuda_device.h"
#include "tests/simt/simt.h"
#include "tests/support/samples.h"

namespace ncscope::cuda {

// A card without faults before the test, and without findings after it.
class HostCardTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const simt::Finding& finding : simt::findings()) ADD_FAILURE() << finding.text;
    simt::clear_findings();
    simt::set_order(simt::Order::kRandom);
  }

  static std::unique_ptr<CudaDevice> make(Math math = Math::kExact) {
    const Tuning tuning = {.staging_slots = 2, .staging_bytes = 1 << 14};
    return std::make_unique<CudaDevice>(Card::get(), math, tuning);
  }
};

// Everything of `samples` in batches of `rows`.
inline Statistics accumulate(Device& device, const test::Samples& samples, size_t rows) {
  Accumulator accumulator(device, samples.num_classes, samples.dim, samples.type);
  for (size_t first = 0; first < samples.rows(); first += rows) {
    accumulator.add(device, samples.batch(first, std::min(rows, samples.rows() - first)));
  }
  return accumulator.finish(device);
}

}  // namespace ncscope::cuda
