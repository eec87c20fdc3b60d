// What happens when the card, its memory or a library fails.
#include <gmock/gmock.h>

#include <functional>

#include "kernels/errors.h"
#include "tests/kernels/cuda/host_card.h"
#include "tests/support/statistics_matchers.h"

namespace ncscope::cuda {
namespace {

using test::expect_same_bits;
using test::make_clusters;
using test::Samples;
using testing::HasSubstr;

Samples some_samples() {
  return make_clusters({.rows = 2500, .dim = 10, .num_classes = 6, .within_std = 0.2, .seed = 5});
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

class FaultsTest : public HostCardTest {};

// Every allocation of a series fails once, wherever it is; the series goes on as if nothing had
// been.
TEST_F(FaultsTest, WithoutMemoryASeriesStaysAsItWas) {
  const Samples samples = some_samples();
  const Statistics expected = accumulate(*make(), samples, 1000);
  int failures = 0;
  int allocation = 1;
  for (bool reached = true; reached && allocation < 100; ++allocation) {
    const size_t before = simt::allocations().bytes;
    {
      const auto device = make();
      simt::inject(simt::Fault::kMalloc, allocation, cudaErrorMemoryAllocation);
      const int failures_before = failures;
      const auto retried = [&](auto action) {
        try {
          return action();
        } catch (const OutOfMemory&) {
          ++failures;
        }
        return action();
      };
      Accumulator accumulator = retried(
          [&] { return Accumulator(*device, samples.num_classes, samples.dim, samples.type); });
      for (size_t first = 0; first < samples.rows(); first += 1000) {
        const size_t count = std::min<size_t>(1000, samples.rows() - first);
        retried([&] {
          accumulator.add(*device, samples.batch(first, count));
          return true;
        });
      }
      expect_same_bits(retried([&] { return accumulator.finish(*device); }), expected);
      reached = failures > failures_before;
    }
    simt::reset();
    EXPECT_EQ(simt::allocations().bytes, before);
  }
  // Eight of the state, the workspace, and those of finish().
  EXPECT_GE(failures, 12);
  EXPECT_EQ(failures, allocation - 2);
}

TEST_F(FaultsTest, ADeviceThatFindsNoMemoryLeavesNone) {
  const size_t before = simt::allocations().bytes;
  const size_t pinned_before = simt::pinned_allocations().bytes;
  const size_t used_before = Card::get().used_bytes();
  for (int allocation = 1; allocation <= 5; ++allocation) {
    simt::inject(simt::Fault::kMalloc, allocation, cudaErrorMemoryAllocation);
    EXPECT_THROW(make(), OutOfMemory);
    simt::inject(simt::Fault::kPinned, allocation, cudaErrorMemoryAllocation);
    EXPECT_THROW(make(), OutOfMemory);
    simt::reset();
    EXPECT_EQ(simt::allocations().bytes, before);
    EXPECT_EQ(simt::pinned_allocations().bytes, pinned_before);
    EXPECT_EQ(Card::get().used_bytes(), used_before);
  }
}

TEST_F(FaultsTest, TheLimitOfTheProcessIsNamed) {
  Card& card = Card::get();
  const size_t left = card.memory_bytes() - card.used_bytes();
  EXPECT_EQ(message_of([&] { card.allocate(left + 1); }),
            "allocate: " + std::to_string(left + 1) + " bytes do not fit, " +
                std::to_string(card.used_bytes()) + " of the " +
                std::to_string(card.memory_bytes()) + " bytes of device memory are in use");
}

TEST_F(FaultsTest, AnErrorOfALibraryIsOneOfItsCall) {
  const auto device = make();
  const DeviceMatrix a = device->upload({std::vector<double>{4, 0, 0, 9}.data(), 2, 2});
  const DeviceMatrix c = device->matrix(2, 2);
  simt::inject(simt::Fault::kBlas, 1, CUBLAS_STATUS_INTERNAL_ERROR);
  EXPECT_THAT(message_of([&] { device->gemm(false, false, 1, a, a, 0, c); }),
              HasSubstr("cublasDgemm_64: CUBLAS_STATUS_INTERNAL_ERROR"));
  EXPECT_FALSE(device->lost());
  simt::inject(simt::Fault::kBlas, 1, CUBLAS_STATUS_ALLOC_FAILED);
  EXPECT_THROW(device->gemm(false, false, 1, a, a, 0, c), OutOfMemory);
  simt::inject(simt::Fault::kSolver, 1, CUSOLVER_STATUS_INTERNAL_ERROR);
  EXPECT_THROW(device->cholesky(a), DeviceError);
  simt::inject(simt::Fault::kSolver, 1, CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_THROW(device->eigh(a), DeviceError);
  simt::inject(simt::Fault::kSolverSize, 1, CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_THROW(device->eigh(a), NumericalError);
  device->gemm(false, false, 1, a, a, 0, c);
  std::vector<double> out(4);
  device->download(c, out.data());
  EXPECT_EQ(out, (std::vector<double>{16, 0, 0, 81}));
}

// In a process of its own, since the card is lost for good.
class FaultsDeathTest : public FaultsTest {
 protected:
  // Ends the process: 0 where everything was as it should be.
  static void lose_the_card(simt::Fault fault, int call, int code) {
    const Samples samples = some_samples();
    int wrong = 0;
    {
      const auto device = make();
      Accumulator accumulator(*device, samples.num_classes, samples.dim, samples.type);
      simt::inject(fault, call, code);
      const std::string text = message_of([&] {
        accumulator.add(*device, samples.batch());
        accumulator.finish(*device);
      });
      wrong += text.find("can be used no more by this process") == std::string::npos;
      wrong += !device->lost();
      try {
        device->matrix(2, 2);
        ++wrong;
      } catch (const DeviceLost&) {
      }
      // Everything is given back below without another exception.
    }
    std::exit(wrong);
  }
};

TEST_F(FaultsDeathTest, AnErrorThatStaysLosesTheCard) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const int code : {cudaErrorIllegalAddress, cudaErrorLaunchFailure}) {
    for (const int call : {1, 3, 6}) {
      EXPECT_EXIT(lose_the_card(simt::Fault::kLaunch, call, code), testing::ExitedWithCode(0), "");
    }
    EXPECT_EXIT(lose_the_card(simt::Fault::kMemcpy, 2, code), testing::ExitedWithCode(0), "");
  }
}

// A library that cannot allocate says so whatever the reason is.
TEST_F(FaultsDeathTest, WantOfMemoryOfACardThatIsLostIsThatOfTheCard) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const auto device = make();
        const DeviceMatrix a = device->matrix(2, 2);
        simt::inject(simt::Fault::kLaunch, 1, cudaErrorIllegalAddress);
        device->scale_rows(a, std::vector<double>(2));  // queued only
        simt::inject(simt::Fault::kBlas, 1, CUBLAS_STATUS_ALLOC_FAILED);
        message_of([&] { device->gemm(false, false, 1, a, a, 0, a); });
        std::exit(device->lost() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ncscope::cuda
