// Memory and threads of what is received.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include "server/receive/batch_pool.h"
#include "server/receive/receive_memory.h"
#include "server/receive/worker_pool.h"

namespace ncscope::testing {
namespace {

using server::BatchPool;
using server::ReceiveCounters;
using server::ReceiveMemory;
using server::WorkerPool;

TEST(BatchPool, GivesTheSameMemoryAgain) {
  BatchPool pool(1 << 20);
  BatchMemory memory = pool.take(100'000);
  const std::byte* const first = memory.get();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % kBatchAlignment, 0u);
  EXPECT_EQ(pool.kept(), 0u);
  memory.reset();
  EXPECT_GE(pool.kept(), 100'000u);
  memory = pool.take(100'500);  // of nearly that size
  EXPECT_EQ(memory.get(), first);
  EXPECT_EQ(pool.kept(), 0u);
}

TEST(BatchPool, KeepsNoMoreThanItMay) {
  BatchPool pool(300'000);
  std::vector<BatchMemory> taken;
  for (int i = 0; i < 10; ++i) taken.push_back(pool.take(65'536));
  taken.clear();
  EXPECT_LE(pool.kept(), 300'000u);
  EXPECT_GT(pool.kept(), 200'000u);
  pool.take(1'000'000);
  EXPECT_LE(pool.kept(), 300'000u);
  // Another size makes room for itself.
  pool.take(250'000);
  const size_t kept = pool.kept();
  EXPECT_LE(kept, 300'000u);
  const BatchMemory again = pool.take(250'000);
  EXPECT_LT(pool.kept(), kept);
}

TEST(BatchPool, MemoryOutlivesIt) {
  BatchMemory memory;
  {
    BatchPool pool(1 << 20);
    memory = pool.take(5000);
  }
  std::fill(memory.get(), memory.get() + 5000, std::byte{1});
}

class ReceiveMemoryTest : public ::testing::Test {
 protected:
  // Takes for the stream `who`; the lease, now or later, goes to its place in `leases_`.
  bool take(int who, size_t bytes) {
    auto lease = memory_.take(bytes, &leases_[who], [this, who](ReceiveMemory::Lease later) {
      order_.push_back(who);
      leases_[who] = std::move(later);
    });
    if (!lease) return false;
    leases_[who] = *std::move(lease);
    return true;
  }
  void give_back(int who) { leases_[who] = {}; }

  ReceiveCounters counters_;
  ReceiveMemory memory_{100, counters_};
  ReceiveMemory::Lease leases_[8];
  std::vector<int> order_;
};

TEST_F(ReceiveMemoryTest, ServesInTheOrderOfAsking) {
  EXPECT_TRUE(take(0, 60));
  EXPECT_TRUE(take(1, 40));
  EXPECT_FALSE(take(2, 50));
  EXPECT_FALSE(take(3, 10));  // does not overtake
  EXPECT_FALSE(take(4, 60));
  EXPECT_EQ(counters_.waiting_streams, 3u);
  EXPECT_EQ(counters_.memory_bytes, 100u);
  give_back(1);
  EXPECT_EQ(order_, std::vector<int>{});
  give_back(0);
  EXPECT_EQ(order_, (std::vector<int>{2, 3}));
  EXPECT_EQ(counters_.memory_bytes, 60u);
  EXPECT_EQ(counters_.waiting_streams, 1u);
  give_back(2);
  EXPECT_EQ(order_, (std::vector<int>{2, 3, 4}));
  give_back(3);
  give_back(4);
  EXPECT_EQ(counters_.memory_bytes, 0u);
  EXPECT_EQ(counters_.memory_limit_bytes, 100u);
}

TEST_F(ReceiveMemoryTest, WhatIsLargerThanAllOfItHasItAlone) {
  EXPECT_TRUE(take(0, 10));
  EXPECT_FALSE(take(1, 1000));
  EXPECT_FALSE(take(2, 10));
  give_back(0);
  EXPECT_EQ(order_, std::vector<int>{1});
  give_back(1);
  EXPECT_EQ(order_, (std::vector<int>{1, 2}));
  give_back(2);
}

TEST_F(ReceiveMemoryTest, WhoIsGoneHoldsUpNobody) {
  EXPECT_TRUE(take(0, 100));
  EXPECT_FALSE(take(1, 100));
  EXPECT_FALSE(take(2, 10));
  EXPECT_TRUE(memory_.forget(&leases_[1]));
  EXPECT_FALSE(memory_.forget(&leases_[1]));
  give_back(0);
  EXPECT_EQ(order_, std::vector<int>{2});
  give_back(2);
}

TEST(WorkerPool, TasksThatWaitHoldUpNoOther) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  std::atomic<int> waiting{0};
  std::promise<void> ran;
  {
    WorkerPool pool(64);
    for (int i = 0; i < 20; ++i) {
      pool.post([&] {
        ++waiting;
        gone.wait();
      });
    }
    pool.post([&] { ran.set_value(); });
    ran.get_future().wait();
    EXPECT_EQ(waiting, 20);
    EXPECT_LE(pool.threads(), 23u);
    go.set_value();
  }
  EXPECT_EQ(waiting, 20);
}

TEST(WorkerPool, RunsEverythingWithFewThreads) {
  std::atomic<int> ran{0};
  {
    WorkerPool pool(2);
    for (int i = 0; i < 1000; ++i) pool.post([&] { ++ran; });
    EXPECT_EQ(pool.threads(), 2u);
  }
  EXPECT_EQ(ran, 1000);
}

}  // namespace
}  // namespace ncscope::testing
