// How streams are received: any layout of a message, in order, within bounds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <random>
#include <thread>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "tests/server/live_server.h"
#include "tests/server/raw_stream.h"
#include "tests/server/scripted_sessions.h"

namespace ncscope::testing {
namespace {

using server::IncomingBatch;

v1::StreamRequest open_request(const Samples& samples, const std::string& run = "run") {
  v1::StreamRequest request;
  *request.mutable_open() = open_for(samples, run);
  return request;
}

v1::StreamRequest batch_request(const v1::Batch& batch) {
  v1::StreamRequest request;
  *request.mutable_batch() = batch;
  return request;
}

v1::StreamRequest close_request(uint64_t batches) {
  v1::StreamRequest request;
  request.mutable_close()->set_batches(batches);
  return request;
}

// A length-delimited field.
std::string field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  size_t length = bytes.size();
  for (; length >= 0x80; length >>= 7) out.push_back(static_cast<char>(length | 0x80));
  out.push_back(static_cast<char>(length));
  return out + bytes;
}

std::string varint_field(int number, uint8_t value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

// The same batch in layouts that a client may choose.
std::vector<std::pair<std::string, std::string>> layouts_of(const v1::Batch& batch) {
  const std::string features = field(15, batch.features()), labels = field(14, batch.labels());
  const std::string sequence = varint_field(1, static_cast<uint8_t>(batch.sequence()));
  const std::string rows = varint_field(2, static_cast<uint8_t>(batch.rows()));
  const std::string unknown = field(9, "what is this");
  const std::string inner = batch.SerializeAsString();
  v1::StreamRequest close = close_request(1);
  return {{"Usual", field(2, inner)},
          {"BulkFirst", field(2, features + labels + rows + sequence)},
          {"UnknownFieldInside", field(2, unknown + sequence + rows + labels + unknown + features)},
          {"UnknownFieldOutside", field(9, "what is this") + field(2, inner)},
          {"RepeatedFields", field(2, field(15, "no") + varint_field(2, 3) + inner)},
          {"TwoParts", field(2, sequence + rows + labels) + field(2, features)},
          {"AfterAnotherMember", close.SerializeAsString() + field(2, inner)},
          {"LongTags", field(2, std::string("\x88\x00", 2) +
                                    std::string(1, static_cast<char>(batch.sequence())) + rows +
                                    labels + features)},
          {"Group", field(2, "\x4b\x4c" + inner)}};
}

TEST(Receive, EveryLayoutOfABatchIsThatBatch) {
  LiveServer live;
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  v1::Batch batch = batch_of(samples, 0, 0, 90);
  size_t number = 0;
  const v1::Report expected = live.undisturbed(samples, open_for(samples, "expected"), 90);
  for (const auto& [name, message] : layouts_of(batch)) {
    v1::StreamRequest request;
    ASSERT_TRUE(request.ParseFromString(message)) << name;
    ASSERT_EQ(request.batch().features(), batch.features()) << name;
    RawStream call(live.server().grpc_address());
    call.send(open_request(samples, "layout" + std::to_string(number++)));
    ASSERT_TRUE(call.read()) << name;
    call.send(message);
    const auto answer = call.read();
    ASSERT_TRUE(answer && answer->has_ack()) << name << call.finish().error_message();
    for (const auto& chunk : chunks_of(*samples.classifier, 1000)) {
      *request.mutable_classifier() = chunk;
      call.send(request);
    }
    call.send(close_request(1));
    const auto closed = call.read();
    ASSERT_TRUE(closed && closed->closed().has_report()) << name;
    EXPECT_EQ(comparable(closed->closed().report()), comparable(expected)) << name;
    EXPECT_TRUE(call.finish().ok()) << name;
  }
}

TEST(Receive, BytesThatAreNoMessageAreRefused) {
  LiveServer live;
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  const std::string good = batch_request(batch_of(samples, 0, 0, 90)).SerializeAsString();
  for (const std::string& bad :
       {std::string("\xff\xff\xff\xff"), good.substr(0, good.size() - 1), good + "\x12",
        std::string("\x12\x05\x7a\x7f", 4), std::string("\x12\x01\x03", 3)}) {
    RawStream call(live.server().grpc_address());
    call.send(open_request(samples));
    ASSERT_TRUE(call.read());
    call.send(bad);
    EXPECT_FALSE(call.read());
    expect_status(call.finish(), grpc::INVALID_ARGUMENT,
                  {"expected a StreamRequest", std::to_string(bad.size()) + " bytes"});
  }
  RawStream first(live.server().grpc_address());
  first.send("\xff\xff");
  EXPECT_FALSE(first.read());
  expect_status(first.finish(), grpc::INVALID_ARGUMENT, {"expected a StreamRequest"});
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples), samples, 30));
}

TEST(Receive, CompressedMessagesAreRefused) {
  LiveServer live;
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  RawStream call(live.server().grpc_address(), [](grpc::ClientContext& context) {
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  });
  call.send(open_request(samples));
  EXPECT_FALSE(call.read());
  expect_status(call.finish(), grpc::UNIMPLEMENTED, {"gzip"});
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples), samples, 30));
}

TEST(Receive, BatchesWithoutWaitingForAnswersAreAppliedInOrder) {
  std::mutex mutex;
  std::vector<uint64_t> applied;
  ScriptedServer server([&](const v1::Open&) {
    SessionScript script;
    script.add_batch = [&](const IncomingBatch& batch) {
      server::content_checksum(batch);
      EXPECT_EQ(batch.admitted()->view().rows, 1 + batch.sequence * 37 % 50);
      const std::lock_guard lock(mutex);
      applied.push_back(batch.sequence);
      return batch.sequence;
    };
    return script;
  });
  constexpr uint64_t kBatches = 500;
  const Samples samples = make_samples(50, 300, 3, DType::kFloat32, 1);
  RawStream call(server.address());
  call.send(open_request(samples));
  ASSERT_TRUE(call.read());
  for (uint64_t i = 0; i < kBatches; ++i) {
    v1::Batch batch = batch_of(samples, i, 0, 1 + i * 37 % 50);
    batch.set_crc32c(checksum_of(batch));
    ASSERT_TRUE(call.send(batch_request(batch)));
  }
  call.send(close_request(kBatches));
  uint64_t received = 0;
  std::optional<v1::StreamResponse> answer;
  for (answer = call.read(); answer && answer->has_ack(); answer = call.read()) {
    EXPECT_GE(answer->ack().received_sequence(), received);
    received = answer->ack().received_sequence();
  }
  EXPECT_EQ(received, kBatches - 1);
  ASSERT_TRUE(answer && answer->has_closed());
  EXPECT_TRUE(call.finish().ok());
  const std::lock_guard lock(mutex);
  ASSERT_EQ(applied.size(), kBatches);
  for (uint64_t i = 0; i < kBatches; ++i) EXPECT_EQ(applied[i], i);
}

// Lets go of whoever waits when the test says so, or has failed.
class Gate {
 public:
  ~Gate() { open(); }
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait_for_waiters(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t waiting_ = 0;
  bool open_ = false;
};

TEST(Receive, ManyClosesMayWaitAndHoldUpNobody) {
  Gate gate;
  ScriptedServer server([&](const v1::Open& open) {
    SessionScript script;
    if (open.key().run() == "waits") {
      script.close = [&] {
        gate.wait();
        return server::CloseResult{1, 1, nullptr};
      };
    }
    return script;
  });
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  std::vector<std::unique_ptr<RawStream>> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(std::make_unique<RawStream>(server.address()));
    calls.back()->send(open_request(samples, "waits"));
    ASSERT_TRUE(calls.back()->read());
    calls.back()->send(close_request(0));
  }
  ASSERT_TRUE(gate.wait_for_waiters(64));
  const auto stub = connect(server.address());
  EXPECT_TRUE(stream_all(*stub, open_for(samples), samples, 30));
  gate.open();
  for (auto& call : calls) {
    const auto answer = call->read();
    EXPECT_TRUE(answer && answer->has_closed());
    EXPECT_TRUE(call->finish().ok());
  }
}

TEST(Receive, AStreamThatIsHeldUpTakesBoundedMemoryAndHoldsUpNobody) {
  Gate gate;
  constexpr size_t kMemory = 8 << 20;
  std::atomic<uint64_t> applied{0};
  ScriptedServer server(
      [&](const v1::Open& open) {
        SessionScript script;
        const bool held = open.key().run() == "held";
        script.add_batch = [&, held](const IncomingBatch& batch) {
          if (held) gate.wait();
          if (held) ++applied;
          return batch.sequence;
        };
        return script;
      },
      kMemory);
  const Samples samples = make_samples(256, 1024, 3, DType::kFloat32, 1);  // 1 MiB
  RawStream call(server.address());
  call.send(open_request(samples, "held"));
  ASSERT_TRUE(call.read());
  uint64_t sent = 0;
  while (sent < 400 &&
         call.send_within(batch_request(batch_of(samples, sent, 0, 256)).SerializeAsString(),
                          std::chrono::seconds(2))) {
    ++sent;
    EXPECT_LE(server.counters().memory_bytes, kMemory);
  }
  EXPECT_LT(sent, 400u);  // the trainer is held up, not the server filled
  EXPECT_LE(server.counters().memory_bytes, kMemory / 2);
  const auto stub = connect(server.address());
  EXPECT_TRUE(stream_all(*stub, open_for(samples, "other"), samples, 128));
  EXPECT_EQ(applied, 0u);
  gate.open();
  uint64_t received = 0;
  while (received + 1 < sent) {
    const auto answer = call.read();
    ASSERT_TRUE(answer && answer->has_ack());
    received = answer->ack().received_sequence();
  }
}

TEST(Receive, WithLittleMemoryManyStreamsFinish) {
  constexpr size_t kMemory = 300'000;
  constexpr int kStreams = 24;
  LiveServer live([](server::ServerOptions& o) { o.limits.receive_memory_bytes = kMemory; });
  const Samples samples = make_samples(400, 128, 3, DType::kFloat32, 1);  // 51 KB a batch of 100
  const server::ReceiveCounters& counters = live.server().engine().services().counters.receive;
  std::atomic<bool> done{false};
  std::atomic<uint64_t> most{0}, waited{0};
  std::thread watcher([&] {
    while (!done) {
      most = std::max<uint64_t>(most, counters.memory_bytes);
      waited = std::max<uint64_t>(waited, counters.waiting_streams);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> trainers;
  std::atomic<int> finished{0};
  for (int i = 0; i < kStreams; ++i) {
    trainers.emplace_back([&, i] {
      RawStream call(live.server().grpc_address());
      call.send(open_request(samples, "run" + std::to_string(i)));
      if (!call.read()) return;
      for (uint64_t b = 0; b < 40; ++b) {
        if (!call.send(batch_request(batch_of(samples, b, 100 * (b % 4), 100)))) return;
      }
      call.send(close_request(40));
      while (const auto answer = call.read()) finished += answer->has_closed() ? 1 : 0;
    });
  }
  for (std::thread& trainer : trainers) trainer.join();
  done = true;
  watcher.join();
  EXPECT_EQ(finished, kStreams);
  EXPECT_LE(most, kMemory);
  EXPECT_GT(waited, 0u);
  EXPECT_EQ(counters.memory_bytes, 0u);
  EXPECT_EQ(counters.waiting_streams, 0u);
  EXPECT_GE(counters.bytes, kStreams * 40u * 51'200u);
}

TEST(Receive, ACallerThatGoesWhileItWaitsForMemoryHoldsUpNobody) {
  Gate gate;
  ScriptedServer server(
      [&](const v1::Open& open) {
        SessionScript script;
        if (open.key().run() == "held") {
          script.add_batch = [&](const IncomingBatch& batch) {
            gate.wait();
            return batch.sequence;
          };
        }
        return script;
      },
      600'000);
  const Samples samples = make_samples(100, 1024, 3, DType::kFloat32, 1);  // 410 KB
  const auto batch = batch_request(batch_of(samples, 0, 0, 100));
  RawStream held(server.address()), gone(server.address()), patient(server.address());
  for (auto& [call, run] :
       {std::pair<RawStream&, const char*>{held, "held"}, {gone, "gone"}, {patient, "patient"}}) {
    call.send(open_request(samples, run));
    ASSERT_TRUE(call.read());
  }
  held.send(batch);
  ASSERT_TRUE(gate.wait_for_waiters(1));
  gone.send(batch);
  while (server.counters().waiting_streams < 1) std::this_thread::yield();
  patient.send(batch);
  while (server.counters().waiting_streams < 2) std::this_thread::yield();
  gone.cancel();
  while (server.counters().waiting_streams > 1) std::this_thread::yield();
  gate.open();
  EXPECT_TRUE(held.read());
  EXPECT_TRUE(patient.read());
  EXPECT_EQ(server.counters().waiting_streams, 0u);
}

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

TEST(Receive, TellsWhatHasBecomeDurableMeanwhile) {
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

TEST(Receive, WhatBecomesDurableWhileCallsEndIsNoTrouble) {
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

TEST(Receive, AServerThatStopsLetsSessionsEndFirst) {
  Gate gate;
  std::atomic<bool> ended{false};
  auto server = std::make_unique<ScriptedServer>([&](const v1::Open&) {
    SessionScript script;
    script.close = [&] {
      gate.wait();
      return server::CloseResult{1, 1, nullptr};
    };
    script.end = [&] { ended = true; };
    return script;
  });
  const Samples samples = make_samples(9, 7, 3, DType::kFloat32, 1);
  RawStream call(server->address());
  call.send(open_request(samples));
  ASSERT_TRUE(call.read());
  call.send(close_request(0));
  ASSERT_TRUE(gate.wait_for_waiters(1));
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_FALSE(ended);
    gate.open();
  });
  server->server().stop(std::chrono::milliseconds(0));
  EXPECT_TRUE(ended);
  opener.join();
  server.reset();
  EXPECT_FALSE(call.finish().ok());
}

}  // namespace
}  // namespace ncscope::testing
