#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace ncscope {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const size_t threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const size_t count : {0, 1, 2, 1000}) {
      std::vector<std::atomic<int>> calls(count);
      pool.run(count, [&](size_t i) { ++calls[i]; });
      for (const auto& call : calls) EXPECT_EQ(call, 1);
    }
  }
}

TEST(ThreadPool, WhatATaskWroteIsSeenAfterwards) {
  ThreadPool pool(4);
  std::vector<size_t> out(10000);
  for (size_t round = 0; round < 20; ++round) {
    pool.run(out.size(), [&](size_t i) { out[i] = i + round; });
    for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], i + round);
  }
}

TEST(ThreadPool, ThrowsWhatATaskThrewAndWorksOn) {
  ThreadPool pool(3);
  std::atomic<int> calls = 0;
  const auto task = [&](size_t i) {
    ++calls;
    if (i == 17) throw std::runtime_error("seventeen");
  };
  EXPECT_THROW(pool.run(100, task), std::runtime_error);
  EXPECT_EQ(calls, 100);
  pool.run(100, [&](size_t) { ++calls; });
  EXPECT_EQ(calls, 200);
}

TEST(ThreadPool, ServesSeveralCallersAtOnce) {
  ThreadPool pool(3);
  std::atomic<size_t> sum = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) pool.run(20, [&](size_t i) { sum += i; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4u * 50 * 190);
}

TEST(ThreadPool, IsSharedWhileSomeoneHoldsIt) {
  const auto first = ThreadPool::shared();
  EXPECT_EQ(first, ThreadPool::shared());
  EXPECT_GE(first->threads(), 1u);
}

}  // namespace
}  // namespace ncscope
