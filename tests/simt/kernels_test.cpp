// Kernels without a fault: results, in every order of threads and blocks.
#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "tests/simt/card_fixture.h"
#include "tests/simt/kernels_under_test.h"

namespace ncscope::simt {
namespace {

class Kernels : public CardTest, public testing::WithParamInterface<Order> {
 protected:
  void SetUp() override {
    CardTest::SetUp();
    set_order(GetParam(), 7);
  }
  void TearDown() override {
    EXPECT_TRUE(findings().empty());
    CardTest::TearDown();
  }
};

INSTANTIATE_TEST_SUITE_P(Orders, Kernels,
                         testing::Values(Order::kForward, Order::kReverse, Order::kRandom));

TEST_P(Kernels, ReduceABlock) {
  constexpr size_t kN = 5 * 256 + 77;
  std::vector<uint16_t> bits(kN);
  std::vector<float> expected(6);
  for (size_t i = 0; i < kN; ++i) {
    const float value = static_cast<float>(i % 19) - 7;  // exact in bf16, sums too
    bits[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
    expected[i / 256] += value;
  }
  const auto x = upload(bits);
  const auto out = device_array<float>(6);
  ASSERT_EQ(sum_blocks(nullptr, x.get(), kN, out.get()), cudaSuccess);
  EXPECT_EQ(download(out.get(), 6), expected);
}

TEST_P(Kernels, CountAtomically) {
  const auto counts = upload(std::vector<unsigned>(7));
  const auto largest = upload(std::vector<int>{-1});
  const auto smallest = upload(std::vector<unsigned long long>{~0ull});
  ASSERT_EQ(count_atomically(nullptr, counts.get(), largest.get(), smallest.get(), 10, 70),
            cudaSuccess);
  EXPECT_EQ(download(counts.get(), 7), std::vector<unsigned>(7, 100));
  EXPECT_EQ(download(largest.get(), 1)[0], 699);
  EXPECT_EQ(download(smallest.get(), 1)[0], 0u);
}

TEST_P(Kernels, ExchangeLanes) {
  const auto out = device_array<double>(10 * 32);
  ASSERT_EQ(exchange_lanes(nullptr, out.get()), cudaSuccess);
  const std::vector<double> got = download(out.get(), 10 * 32);
  unsigned thirds = 0;
  for (int i = 0; i < 32; i += 3) thirds |= 1u << i;
  for (int i = 0; i < 32; ++i) {
    const auto row = [&](int r) { return got[static_cast<size_t>(r * 32 + i)]; };
    EXPECT_EQ(row(0), 3.5);
    EXPECT_EQ(row(1), i / 8 * 8 + 3.5);
    EXPECT_EQ(row(2), (i ^ 5) + 0.5);
    EXPECT_EQ(row(3), (i + 9 < 32 ? i + 9 : i) + 0.5);
    EXPECT_EQ(row(4), (i >= 9 ? i - 9 : i) + 0.5);
    EXPECT_EQ(row(5), (i % 8 + 3 < 8 ? i + 3 : i) + 0.5);
    EXPECT_EQ(row(6), thirds);
    EXPECT_EQ(row(7), 10);
    EXPECT_EQ(row(8), 10);
    EXPECT_EQ(row(9), i < 12 ? 11 - i : i);
  }
}

TEST_P(Kernels, NumberThreeDimensions) {
  const auto out = device_array<unsigned>(3 * 2 * 4 * 5 * 3 * 2);
  ASSERT_EQ(number_3d(nullptr, dim3(3, 2, 4), dim3(5, 3, 2), out.get()), cudaSuccess);
  std::vector<unsigned> expected(720);
  std::iota(expected.begin(), expected.end(), 0u);
  EXPECT_EQ(download(out.get(), 720), expected);
}

TEST_P(Kernels, WarpBarriersOrderSharedMemory) {
  const auto out = device_array<int>(32);
  ASSERT_EQ(pass_in_warp(nullptr, out.get()), cudaSuccess);
  std::vector<int> got = download(out.get(), 32);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(got[static_cast<size_t>(i)], (i + 3) % 32);
  ASSERT_EQ(pass_in_half_warps(nullptr, out.get()), cudaSuccess);
  got = download(out.get(), 32);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(got[static_cast<size_t>(i)], (i + 2) % 16);
  for (int i = 16; i < 32; ++i) EXPECT_EQ(got[static_cast<size_t>(i)], 16 + (i + 3) % 16);
}

TEST_P(Kernels, NeighboursInAWordAreNoRace) {
  const auto bytes = device_array<uint8_t>(64);
  const auto halves = device_array<uint16_t>(64);
  ASSERT_EQ(neighbours(nullptr, bytes.get(), halves.get()), cudaSuccess);
  const std::vector<uint8_t> got_bytes = download(bytes.get(), 64);
  const std::vector<uint16_t> got_halves = download(halves.get(), 64);
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(got_bytes[i], 63 - i + 1);
    EXPECT_EQ(got_halves[i], 2 * (63 - i) + 1);
  }
}

TEST_P(Kernels, ConstantsMayBeRead) {
  const auto out = device_array<int>(32);
  ASSERT_EQ(read_constants(nullptr, out.get()), cudaSuccess);
  std::vector<int> expected(32);
  std::iota(expected.begin(), expected.end(), 60);
  EXPECT_EQ(download(out.get(), 32), expected);
}

std::vector<unsigned> blocks_in_order(Order order, uint64_t seed) {
  set_order(order, seed);
  const auto counter = upload(std::vector<unsigned>(1));
  const auto out = device_array<unsigned>(50);
  EXPECT_EQ(order_of_blocks(nullptr, counter.get(), out.get(), 50), cudaSuccess);
  return download(out.get(), 50);
}

TEST_F(CardTest, OrderOfBlocks) {
  std::vector<unsigned> forward(50);
  std::iota(forward.begin(), forward.end(), 0u);
  EXPECT_EQ(blocks_in_order(Order::kForward, 0), forward);
  const std::vector<unsigned> reverse(forward.rbegin(), forward.rend());
  EXPECT_EQ(blocks_in_order(Order::kReverse, 0), reverse);
  const std::vector<unsigned> random = blocks_in_order(Order::kRandom, 3);
  EXPECT_NE(random, forward);
  EXPECT_EQ(blocks_in_order(Order::kRandom, 3), random);
  EXPECT_NE(blocks_in_order(Order::kRandom, 4), random);
  EXPECT_TRUE(std::is_permutation(random.begin(), random.end(), forward.begin()));
}

TEST_F(CardTest, ConfigurationsAreChecked) {
  const auto out = device_array<unsigned>(2048);
  const auto launch = [&](dim3 grid, dim3 block) {
    return number_3d(nullptr, grid, block, out.get());
  };
  EXPECT_EQ(launch(dim3(0), dim3(32)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(1), dim3(0)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(1), dim3(1025)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(1), dim3(32, 33)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(1, 65536), dim3(1)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(0x80000000u), dim3(1)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(launch(dim3(2), dim3(1024)), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

}  // namespace
}  // namespace ncscope::simt
