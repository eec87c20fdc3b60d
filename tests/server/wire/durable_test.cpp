// Acks of what has become durable, whenever that is.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/server/raw_stream.h"
#include "tests/server/requests.h"
#include "tests/server/scripted_sessions.h"

namespace ncscope::testing {
namespace {

// Makes batches durable from a thread of its own, as a log does.
class DurableLog {
 public:
  void set(std::function<void()> changed) {
    const std::lock_guard lock(mutex_);
    changed_ = std::move(changed);
  }
  void rise(uint64_t sequence) {
    const std::lock_guard lock(mutex_);  // so that end() waits for a call in progress
    sequence_ = sequence;
    has_ = true;
    if (changed_) changed_();
  }
  std::optional<uint64_t> sequence() const {
    return has_ ? std::optional<uint64_t>(sequence_) : std::nullopt;
  }

 private:
  std::mutex mutex_;
  std::function<void()> changed_;
  std::atomic<uint64_t> sequence_{0};
  std::atomic<bool> has_{false};
};

SessionScript durable_script(DurableLog& log) {
  SessionScript script;
  script.durable_sequence = [&log] { return log.sequence(); };
  script.on_durable = [&log](std::function<void()> changed) { log.set(std::move(changed)); };
  script.end = [&log] { log.set({}); };
  return script;
}

TEST(Durable, TellsWhatHasBecomeDurableMeanwhile) {
  DurableLog log;
  ScriptedServer server([&](const v1::Open&) { return durable_script(log); });
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  RawStream call(server.address());
  call.send(open_request(samples));
  ASSERT_TRUE(call.read());
  for (uint64_t i = 0; i < 3; ++i) {
    call.send(batch_request(batch_of(samples, i, 0, 90)));
    const auto answer = call.read();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->ack().received_sequence(), i);
    EXPECT_FALSE(answer->ack().has_durable_sequence());
  }
  log.rise(1);
  auto answer = call.read();
  ASSERT_TRUE(answer && answer->has_ack());
  EXPECT_EQ(answer->ack().received_sequence(), 2u);
  EXPECT_EQ(answer->ack().durable_sequence(), 1u);
  call.send(batch_request(batch_of(samples, 3, 0, 90)));
  answer = call.read();
  ASSERT_TRUE(answer && answer->has_ack());
  EXPECT_EQ(answer->ack().received_sequence(), 3u);
  EXPECT_EQ(answer->ack().durable_sequence(), 1u);
}

TEST(Durable, WhatCameByAnEarlierCallIsReceived) {
  DurableLog log;
  ScriptedServer server([&](const v1::Open&) {
    SessionScript script = durable_script(log);
    script.next_sequence = 7;
    return script;
  });
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  RawStream call(server.address());
  call.send(open_request(samples));
  const auto opened = call.read();
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->opened().next_sequence(), 7u);
  // The log is told whom to call after the answer to Open; it rises until that has happened.
  std::optional<v1::StreamResponse> answer;
  std::atomic<bool> told{false};
  std::thread disk([&] {
    while (!told) log.rise(4);
  });
  answer = call.read();
  told = true;
  disk.join();
  ASSERT_TRUE(answer && answer->has_ack());
  EXPECT_EQ(answer->ack().received_sequence(), 6u);
  EXPECT_EQ(answer->ack().durable_sequence(), 4u);
}

TEST(Durable, WhatBecomesDurableWhileCallsEndIsNoTrouble) {
  constexpr int kCalls = 60;
  std::vector<DurableLog> logs(kCalls);
  std::atomic<int> next{0};
  ScriptedServer server([&](const v1::Open&) { return durable_script(logs[next++]); });
  std::atomic<bool> done{false};
  std::thread disk([&] {
    for (uint64_t sequence = 0; !done; ++sequence) {
      for (DurableLog& log : logs) log.rise(sequence / 8);
    }
  });
  const Samples samples = make_samples(9, 7, 3, DType::kFloat32, 1);
  for (int i = 0; i < kCalls; ++i) {
    RawStream call(server.address());
    call.send(open_request(samples));
    EXPECT_TRUE(call.read());
    call.send(batch_request(batch_of(samples, 0, 0, 9)));
    if (i % 3 == 0) {
      call.cancel();
    } else if (i % 3 == 1) {
      call.send(close_request(1));
      std::optional<v1::StreamResponse> answer;
      for (answer = call.read(); answer && answer->has_ack();) answer = call.read();
      EXPECT_TRUE(answer && answer->has_closed());
      EXPECT_TRUE(call.finish().ok());
    }
  }
  done = true;
  disk.join();
}

}  // namespace
}  // namespace ncscope::testing
