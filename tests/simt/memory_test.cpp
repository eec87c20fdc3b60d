// Allocations, limits, copies and what they check, faults on demand.
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "tests/simt/card_fixture.h"
#include "tests/simt/kernels_under_test.h"

namespace ncscope::simt {
namespace {

using Card = CardTest;

TEST_F(Card, FreshMemoryIsPoison) {
  const auto data = device_array<double>(5);
  for (const double x : download(data.get(), 5)) EXPECT_TRUE(std::isnan(x));
}

TEST_F(Card, AllocationsAreCountedAndLimited) {
  set_memory(1000);
  size_t free_bytes = 0;
  size_t total = 0;
  {
    const auto a = device_array<char>(600);
    EXPECT_EQ(allocations().count, 1u);
    EXPECT_EQ(allocations().bytes, 600u);
    ASSERT_EQ(cudaMemGetInfo(&free_bytes, &total), cudaSuccess);
    EXPECT_EQ(free_bytes, 400u);
    EXPECT_EQ(total, 1000u);
    void* b = nullptr;
    EXPECT_EQ(cudaMalloc(&b, 401), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaMalloc(&b, 400), cudaSuccess);
    EXPECT_EQ(cudaFree(b), cudaSuccess);
    // Pinned memory is the host's.
    const auto pinned = pinned_array<char>(5000);
    EXPECT_EQ(allocations().bytes, 600u);
    EXPECT_EQ(pinned_allocations().bytes, 5000u);
  }
  EXPECT_EQ(allocations().bytes, 0u);
  EXPECT_EQ(pinned_allocations().count, 0u);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  EXPECT_EQ(cudaFree(&total), cudaErrorInvalidValue);
}

TEST_F(Card, RedZonesAreVerified) {
  if (!checked()) GTEST_SKIP() << "AddressSanitizer watches";
  auto data = device_array<char>(100);
  data.get()[100] = 1;
  data.reset();
  ASSERT_EQ(findings().size(), 1u);
  EXPECT_EQ(findings()[0].kind, "red zone written");
}

TEST_F(Card, PointersAreKnown) {
  const auto device = device_array<char>(8);
  const auto pinned = pinned_array<char>(8);
  const char host = 0;
  const auto type_of = [](const void* pointer) {
    cudaPointerAttributes attributes = {};
    EXPECT_EQ(cudaPointerGetAttributes(&attributes, pointer), cudaSuccess);
    return attributes.type;
  };
  EXPECT_EQ(type_of(device.get() + 7), cudaMemoryTypeDevice);
  EXPECT_EQ(type_of(pinned.get() + 7), cudaMemoryTypeHost);
  EXPECT_EQ(type_of(&host), cudaMemoryTypeUnregistered);
  EXPECT_EQ(type_of(device.get() + 8), cudaMemoryTypeUnregistered);
}

TEST_F(Card, CopiesCheckDirectionAndBounds) {
  const auto a = device_array<char>(8);
  const auto b = device_array<char>(8);
  const auto pinned = pinned_array<char>(8);
  char host[8] = {};
  const auto copy = [](void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  };
  EXPECT_EQ(copy(a.get(), host, 8, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(copy(host, a.get(), 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copy(a.get(), host, 8, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copy(a.get(), host, 9, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copy(a.get() + 1, host, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copy(a.get(), pinned.get() + 1, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(a.get() + 1, 0, 8, nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(host, 0, 8, nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(copy(a.get(), pinned.get(), 8, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(copy(b.get(), a.get(), 8, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(copy(nullptr, nullptr, 0, cudaMemcpyHostToDevice), cudaSuccess);
  // The peek leaves it.
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(Card, CopyAndFillInTwoDimensions) {
  // Rows of 3 from a pitch of 5 into a pitch of 4.
  std::vector<char> host(4 * 5);
  for (size_t i = 0; i < host.size(); ++i) host[i] = static_cast<char>(i);
  const auto data = device_array<char>(4 * 4);
  ASSERT_EQ(cudaMemset(data.get(), 9, 16), cudaSuccess);
  ASSERT_EQ(cudaMemcpy2D(data.get(), 4, host.data(), 5, 3, 4, cudaMemcpyHostToDevice), cudaSuccess);
  const std::vector<char> copied = {0, 1, 2, 9, 5, 6, 7, 9, 10, 11, 12, 9, 15, 16, 17, 9};
  EXPECT_EQ(download(data.get(), 16), copied);
  ASSERT_EQ(cudaMemset2DAsync(data.get() + 1, 4, 7, 2, 3), cudaSuccess);
  const std::vector<char> filled = {0, 7, 7, 9, 5, 7, 7, 9, 10, 7, 7, 9, 15, 16, 17, 9};
  EXPECT_EQ(download(data.get(), 16), filled);
  EXPECT_EQ(cudaMemset2DAsync(data.get() + 2, 4, 7, 3, 4), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset2DAsync(data.get(), 4, 7, 5, 2), cudaErrorInvalidPitchValue);
  EXPECT_EQ(cudaMemcpy2D(data.get(), 2, host.data(), 5, 3, 4, cudaMemcpyHostToDevice),
            cudaErrorInvalidPitchValue);
}

TEST_F(Card, CallsFailOnDemand) {
  inject(Fault::kMalloc, 2, cudaErrorMemoryAllocation);
  inject(Fault::kPinned, 1, cudaErrorMemoryAllocation);
  void* pointer = nullptr;
  EXPECT_EQ(cudaHostAlloc(&pointer, 4, cudaHostAllocDefault), cudaErrorMemoryAllocation);
  const auto first = device_array<int>(128);
  EXPECT_EQ(cudaMalloc(&pointer, 4), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&pointer, 4), cudaSuccess);
  EXPECT_EQ(cudaFree(pointer), cudaSuccess);

  // One that stays shows where the work is awaited.
  inject(Fault::kMemcpy, 2, cudaErrorIllegalAddress);
  EXPECT_EQ(cudaMemsetAsync(first.get(), 0, 512, nullptr), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(first.get(), 1, 512, nullptr), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaMemsetAsync(first.get(), 0, 512, nullptr), cudaErrorIllegalAddress);
  reset();
  inject(Fault::kLaunch, 1, cudaErrorLaunchFailure);
  EXPECT_EQ(add_to(nullptr, first.get(), 1, first.get(), 128), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  reset();
  inject(Fault::kLaunch, 1, cudaErrorLaunchOutOfResources);
  EXPECT_EQ(add_to(nullptr, first.get(), 1, first.get(), 128), cudaErrorLaunchOutOfResources);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(Card, NoDevice) {
  set_devices(0);
  int count = 77;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(count, 77);
  void* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, 4), cudaErrorInsufficientDriver);
  set_devices(1);
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  cudaDeviceProp properties = {};
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_STREQ(properties.name, "SIMT host");
  EXPECT_EQ(properties.totalGlobalMem, size_t{64} << 20);
}

TEST_F(Card, ThreadsShareIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const Stream stream;
      const auto data = upload(std::vector<int>(300, t));
      for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(add_to(stream, data.get(), 1, data.get(), 300), cudaSuccess);
      }
      ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
      EXPECT_EQ(download(data.get(), 300), std::vector<int>(300, t + 20));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ncscope::simt
