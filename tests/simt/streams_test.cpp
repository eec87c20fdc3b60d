// Work is deferred and streams are only ordered by events, so a missing wait shows.
#include <set>

#include "tests/simt/card_fixture.h"
#include "tests/simt/kernels_under_test.h"

namespace ncscope::simt {
namespace {

class Event {
 public:
  Event() { EXPECT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), cudaSuccess); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

using Streams = CardTest;

// Copies to the card on one stream, adds 1 on another, and back; with or without the wait.
std::vector<int> copy_then_add(uint64_t seed, bool wait) {
  set_order(Order::kRandom, seed);
  const Stream copies;
  const Stream computes;
  const Event copied;
  const auto pinned = pinned_array<int>(100);
  const auto data = upload(std::vector<int>(100, -1));
  const auto out = device_array<int>(100);
  std::fill_n(pinned.get(), 100, 41);
  EXPECT_EQ(cudaMemcpyAsync(data.get(), pinned.get(), 400, cudaMemcpyHostToDevice, copies),
            cudaSuccess);
  EXPECT_EQ(cudaEventRecord(copied, copies), cudaSuccess);
  if (wait) {
    EXPECT_EQ(cudaStreamWaitEvent(computes, copied), cudaSuccess);
  }
  EXPECT_EQ(add_to(computes, data.get(), 1, out.get(), 100), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(computes), cudaSuccess);
  const std::vector<int> result = download(out.get(), 100);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return result;
}

TEST_F(Streams, MissingWaitShows) {
  std::set<int> results;
  for (uint64_t seed = 0; seed < 50; ++seed) results.insert(copy_then_add(seed, false)[0]);
  EXPECT_EQ(results, (std::set<int>{0, 42}));
}

TEST_F(Streams, WaitIsEnough) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(copy_then_add(seed, true), std::vector<int>(100, 42));
  }
}

TEST_F(Streams, PinnedBufferUsedTooEarlyShows) {
  const Stream stream;
  const auto pinned = pinned_array<int>(10);
  const auto data = device_array<int>(10);
  const auto upload_twice = [&](bool wait) {
    const auto first = device_array<int>(10);
    const Event copied;
    std::fill_n(pinned.get(), 10, 1);
    EXPECT_EQ(cudaMemcpyAsync(first.get(), pinned.get(), 40, cudaMemcpyHostToDevice, stream),
              cudaSuccess);
    EXPECT_EQ(cudaEventRecord(copied, stream), cudaSuccess);
    if (wait) {
      EXPECT_EQ(cudaEventSynchronize(copied), cudaSuccess);
    }
    std::fill_n(pinned.get(), 10, 2);
    EXPECT_EQ(cudaMemcpyAsync(data.get(), pinned.get(), 40, cudaMemcpyHostToDevice, stream),
              cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    return download(first.get(), 10)[0];
  };
  EXPECT_EQ(upload_twice(false), 2);
  EXPECT_EQ(upload_twice(true), 1);
}

// Copies an int of the host, and gives it another value before or after the wait.
void copy_and_reuse(int* host, bool early) {
  const Stream stream;
  const Event copied;
  const auto data = device_array<int>(1);
  *host = 1;
  ASSERT_EQ(cudaMemcpyAsync(data.get(), host, 4, cudaMemcpyHostToDevice, stream), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(copied, stream), cudaSuccess);
  if (early) *host = 2;
  EXPECT_EQ(cudaEventSynchronize(copied), early ? cudaErrorLaunchFailure : cudaSuccess);
  *host = 2;
  if (!early) {
    EXPECT_EQ(download(data.get(), 1)[0], 1);
  }
}

TEST_F(Streams, LateCopiesFindMemoryUsedTooEarly) {
  set_copies(Copies::kLate);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    set_order(Order::kRandom, seed);
    const auto pinned = pinned_array<int>(1);
    int pageable = 0;
    for (int* const host : {pinned.get(), &pageable}) {
      copy_and_reuse(host, false);
      EXPECT_EQ(findings().size(), 0u);
      copy_and_reuse(host, true);
      ASSERT_EQ(findings().size(), 1u);
      EXPECT_EQ(findings()[0].kind, "host memory changed before its copy");
      clear_findings();
      reset();
    }
  }
}

TEST_F(Streams, LateCopiesLookAtTheirRowsOnly) {
  set_copies(Copies::kLate);
  const Stream stream;
  const auto data = device_array<char>(6);
  char host[] = {1, 2, 3, 4, 5, 6};
  ASSERT_EQ(cudaMemcpy2DAsync(data.get(), 2, host, 4, 2, 2, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  host[2] = host[3] = 9;
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(download(data.get(), 4), (std::vector<char>{1, 2, 5, 6}));
  ASSERT_EQ(cudaMemcpy2DAsync(data.get(), 2, host, 4, 2, 2, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  host[5] = 9;
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
  EXPECT_EQ(findings().size(), 1u);
}

TEST_F(Streams, PinnedResultReadTooEarlyShows) {
  const Stream stream;
  const auto pinned = pinned_array<int>(1);
  const auto data = upload(std::vector<int>{5});
  *pinned = 3;
  ASSERT_EQ(cudaMemcpyAsync(pinned.get(), data.get(), 4, cudaMemcpyDeviceToHost, stream),
            cudaSuccess);
  EXPECT_EQ(*pinned, 3);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(*pinned, 5);
}

TEST_F(Streams, PageableMemoryIsCapturedAndAwaited) {
  const Stream stream;
  const auto data = device_array<int>(1);
  int host = 1;
  ASSERT_EQ(cudaMemcpyAsync(data.get(), &host, 4, cudaMemcpyHostToDevice, stream), cudaSuccess);
  host = 2;
  ASSERT_EQ(add_to(stream, data.get(), 10, data.get(), 1), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(&host, data.get(), 4, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(host, 11);
}

TEST_F(Streams, ArgumentsAreThoseOfTheLaunch) {
  const Stream stream;
  const auto data = upload(std::vector<int>{0});
  int step = 1;
  ASSERT_EQ(add_to(stream, data.get(), step, data.get(), 1), cudaSuccess);
  step = 100;
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(download(data.get(), 1)[0], 1);
}

TEST_F(Streams, WaitCapturesTheLatestRecord) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    set_order(Order::kRandom, seed);
    const Stream a;
    const Stream b;
    const Event event;
    const auto data = upload(std::vector<int>{0});
    const auto out = device_array<int>(1);
    // Never recorded: nothing to wait for.
    ASSERT_EQ(cudaStreamWaitEvent(b, event), cudaSuccess);
    ASSERT_EQ(cudaEventQuery(event), cudaSuccess);
    ASSERT_EQ(add_to(a, data.get(), 1, data.get(), 1), cudaSuccess);
    ASSERT_EQ(cudaEventRecord(event, a), cudaSuccess);
    ASSERT_EQ(add_to(a, data.get(), 1, data.get(), 1), cudaSuccess);
    ASSERT_EQ(cudaEventRecord(event, a), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(b, event), cudaSuccess);
    // A record after the wait is none of its business.
    ASSERT_EQ(cudaEventRecord(event, b), cudaSuccess);
    ASSERT_EQ(add_to(b, data.get(), 0, out.get(), 1), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(b), cudaSuccess);
    EXPECT_EQ(download(out.get(), 1)[0], 2);
  }
}

TEST_F(Streams, QueriesComeToAnEnd) {
  const Stream stream;
  const Event event;
  const auto data = upload(std::vector<int>{0});
  ASSERT_EQ(add_to(stream, data.get(), 1, data.get(), 1), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  int questions = 1;
  while (cudaEventQuery(event) == cudaErrorNotReady) ASSERT_LT(++questions, 10);
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
}

TEST_F(Streams, DefaultStreamWaitsForBlockingOnes) {
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  const auto pinned = pinned_array<int>(1);
  *pinned = 7;
  const auto data = upload(std::vector<int>{0});
  ASSERT_EQ(cudaMemcpyAsync(data.get(), pinned.get(), 4, cudaMemcpyHostToDevice, blocking),
            cudaSuccess);
  EXPECT_EQ(download(data.get(), 1)[0], 7);
  EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

TEST_F(Streams, FreeWaitsForTheCard) {
  const Stream stream;
  auto data = device_array<int>(100);
  const auto pinned = pinned_array<int>(1);
  *pinned = 3;
  ASSERT_EQ(cudaMemcpyAsync(data.get(), pinned.get(), 4, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(pinned.get(), data.get(), 4, cudaMemcpyDeviceToHost, stream),
            cudaSuccess);
  *pinned = 4;
  data.reset();
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
  EXPECT_EQ(*pinned, 4);
}

TEST_F(Streams, TimesPass) {
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&end), cudaSuccess);
  float ms = -1;
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, end), cudaErrorInvalidResourceHandle);
  ASSERT_EQ(cudaEventRecord(start), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(end), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, end), cudaErrorNotReady);
  ASSERT_EQ(cudaEventSynchronize(end), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, end), cudaSuccess);
  EXPECT_GE(ms, 0);
  cudaEventDestroy(start);
  cudaEventDestroy(end);
}

}  // namespace
}  // namespace ncscope::simt
