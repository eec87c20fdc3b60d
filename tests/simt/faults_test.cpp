// Planted faults: each is found, named, and fails the card until it is reset.
#include "tests/simt/card_fixture.h"
#include "tests/simt/kernels_under_test.h"
#include "tests/simt/planted_faults.h"

namespace ncscope::simt {
namespace {

struct Case {
  Planted fault;
  const char* kind;
  cudaError_t error;
};

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return "Fault" + std::to_string(static_cast<int>(info.param.fault));
}

// Those of waiting are found without a look at accesses.
bool is_of_waiting(Planted fault) {
  return fault >= Planted::kDivergentBarrier && fault <= Planted::kBarriersOfOneFunction;
}

class Faults : public CardTest, public testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    CardTest::SetUp();
    if (!checked() && !is_of_waiting(GetParam().fault)) {
      GTEST_SKIP() << "accesses of kernels are not checked in this build";
    }
  }
};

void expect_found(const char* kind, cudaError_t error) {
  EXPECT_EQ(cudaDeviceSynchronize(), error);
  ASSERT_EQ(findings().size(), 1u);
  EXPECT_EQ(findings()[0].kind, kind);
  EXPECT_NE(findings()[0].text.find("_kernel"), std::string::npos) << findings()[0].text;
  // It stays.
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 4), error);
  EXPECT_EQ(cudaGetLastError(), error);
  EXPECT_EQ(cudaGetLastError(), error);
}

TEST_P(Faults, AreFoundInEveryOrder) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    reset();
    clear_findings();
    set_order(seed == 0 ? Order::kForward : seed == 1 ? Order::kReverse : Order::kRandom, seed);
    const auto data = upload(std::vector<int>(128, 1));
    const auto out = device_array<int>(128);
    ASSERT_EQ(plant(nullptr, GetParam().fault, data.get(), out.get()), cudaSuccess);
    expect_found(GetParam().kind, GetParam().error);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Planted, Faults,
    testing::Values(
        Case{Planted::kMissingBarrier, "race between threads", cudaErrorLaunchFailure},
        Case{Planted::kMissingWarpBarrier, "race between threads", cudaErrorLaunchFailure},
        Case{Planted::kReadBeforeWriteInWarp, "race between threads", cudaErrorLaunchFailure},
        Case{Planted::kWriteBeyond, "out of bounds write", cudaErrorIllegalAddress},
        Case{Planted::kReadBeyond, "out of bounds read", cudaErrorIllegalAddress},
        Case{Planted::kReadUnwrittenShared, "read of unwritten shared memory",
             cudaErrorIllegalAddress},
        Case{Planted::kReadUnwrittenGlobal, "read of unwritten global memory",
             cudaErrorIllegalAddress},
        Case{Planted::kSameWordFromBlocks, "race between blocks", cudaErrorLaunchFailure},
        Case{Planted::kReadOfOtherBlock, "race between blocks", cudaErrorLaunchFailure},
        Case{Planted::kAtomicAndPlain, "race between threads", cudaErrorLaunchFailure},
        Case{Planted::kPlainThenAtomic, "race between threads", cudaErrorLaunchFailure},
        Case{Planted::kReadOfAtomicSum, "race between blocks", cudaErrorLaunchFailure},
        Case{Planted::kDivergentBarrier, "divergent barrier", cudaErrorLaunchFailure},
        Case{Planted::kEndBeforeBarrier, "divergent barrier", cudaErrorLaunchFailure},
        Case{Planted::kAbsentLane, "divergent barrier", cudaErrorLaunchFailure},
        Case{Planted::kLaneOutsideMask, "shuffle from a lane outside the mask",
             cudaErrorLaunchFailure},
        Case{Planted::kShufflesApart, "warp call at different places", cudaErrorLaunchFailure},
        Case{Planted::kVotesApart, "warp call at different places", cudaErrorLaunchFailure},
        Case{Planted::kShufflesOfOneFunction, "warp call at different places",
             cudaErrorLaunchFailure},
        Case{Planted::kBarriersApart, "barrier at different places", cudaErrorLaunchFailure},
        Case{Planted::kBarriersOfOneFunction, "barrier at different places",
             cudaErrorLaunchFailure},
        Case{Planted::kCopyBeyond, "out of bounds read", cudaErrorIllegalAddress},
        Case{Planted::kCopyOfUnwritten, "read of unwritten global memory", cudaErrorIllegalAddress},
        Case{Planted::kCopyOfKnownLength, "out of bounds write", cudaErrorIllegalAddress},
        Case{Planted::kFillBeyond, "out of bounds write", cudaErrorIllegalAddress},
        Case{Planted::kFillOfOtherBlock, "race between threads", cudaErrorLaunchFailure},
        Case{Planted::kCompareBeyond, "out of bounds read", cudaErrorIllegalAddress},
        Case{Planted::kBeyondOwnArray, "out of bounds of an array", cudaErrorIllegalAddress},
        Case{Planted::kBeyondInnerArray, "out of bounds of an array", cudaErrorIllegalAddress},
        Case{Planted::kWriteToConstant, "write to constant memory", cudaErrorIllegalAddress},
        Case{Planted::kGlobalConstant, "kernel touched host memory", cudaErrorIllegalAddress},
        Case{Planted::kGlobalVariable, "kernel touched host memory", cudaErrorIllegalAddress},
        Case{Planted::kMisaligned, "misaligned access", cudaErrorMisalignedAddress}),
    name_of);

class FaultyMemory : public CardTest {
 protected:
  void SetUp() override {
    CardTest::SetUp();
    if (!checked()) GTEST_SKIP() << "accesses of kernels are not checked in this build";
  }
};

TEST_F(FaultyMemory, UseAfterFree) {
  auto data = upload(std::vector<int>(128, 1));
  const auto out = device_array<int>(128);
  const int* gone = data.get();
  data.reset();
  ASSERT_EQ(add_to(nullptr, gone, 1, out.get(), 128), cudaSuccess);
  expect_found("use after free", cudaErrorIllegalAddress);
}

TEST_F(FaultyMemory, HostPointer) {
  const std::vector<int> host(128, 1);
  const auto out = device_array<int>(128);
  ASSERT_EQ(add_to(nullptr, host.data(), 1, out.get(), 128), cudaSuccess);
  expect_found("kernel touched host memory", cudaErrorIllegalAddress);
}

TEST_F(FaultyMemory, NullPointer) {
  const auto data = upload(std::vector<int>(128, 1));
  ASSERT_EQ(add_to(nullptr, data.get(), 1, nullptr, 128), cudaSuccess);
  expect_found("kernel touched a null pointer", cudaErrorIllegalAddress);
}

constexpr int kConstants[128] = {1};
int variables[128] = {1};

TEST_F(FaultyMemory, ConstantsOfTheHost) {
  static constexpr int kOwn[128] = {1};
  for (const int* constants : {kConstants, kOwn}) {
    reset();
    clear_findings();
    const auto out = device_array<int>(128);
    ASSERT_EQ(add_to(nullptr, constants, 1, out.get(), 128), cudaSuccess);
    expect_found("kernel touched host memory", cudaErrorIllegalAddress);
  }
}

TEST_F(FaultyMemory, VariablesOfTheHost) {
  static int own[128];
  const auto data = upload(std::vector<int>(128, 1));
  for (int* out : {variables, own}) {
    reset();
    clear_findings();
    ASSERT_EQ(add_to(nullptr, data.get(), 1, out, 128), cudaSuccess);
    expect_found("kernel touched host memory", cudaErrorIllegalAddress);
  }
}

TEST_F(FaultyMemory, PinnedMemoryHasBounds) {
  const auto pinned = pinned_array<int>(128);
  std::fill_n(pinned.get(), 128, 5);
  const auto out = device_array<int>(192);
  ASSERT_EQ(add_to(nullptr, pinned.get(), 1, out.get(), 128), cudaSuccess);
  EXPECT_EQ(download(out.get(), 128), std::vector<int>(128, 6));
  ASSERT_EQ(add_to(nullptr, pinned.get(), 1, out.get(), 129), cudaSuccess);
  expect_found("out of bounds read", cudaErrorIllegalAddress);
}

TEST_F(FaultyMemory, CopiesCarryWhatIsUnwritten) {
  const auto from = device_array<int>(128);
  const auto to = upload(std::vector<int>(128, 1));
  const auto out = device_array<int>(128);
  ASSERT_EQ(cudaMemset(from.get(), 0, 127 * 4), cudaSuccess);
  ASSERT_EQ(cudaMemcpy(to.get(), from.get(), 128 * 4, cudaMemcpyDeviceToDevice), cudaSuccess);
  ASSERT_EQ(add_to(nullptr, to.get(), 1, out.get(), 127), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  ASSERT_EQ(add_to(nullptr, to.get(), 1, out.get(), 128), cudaSuccess);
  expect_found("read of unwritten global memory", cudaErrorIllegalAddress);
}

TEST_F(FaultyMemory, FindingsSayWhere) {
  const auto data = upload(std::vector<int>(128, 1));
  const auto out = device_array<int>(100);
  ASSERT_EQ(add_to(nullptr, data.get(), 1, out.get(), 128), cudaSuccess);
  set_order(Order::kForward);
  expect_found("out of bounds write", cudaErrorIllegalAddress);
  const Finding finding = findings()[0];
  EXPECT_EQ(finding.block[0], 1u);
  EXPECT_EQ(finding.thread[0], 36u);
  EXPECT_EQ(finding.address, reinterpret_cast<uintptr_t>(out.get() + 100));
}

}  // namespace
}  // namespace ncscope::simt
