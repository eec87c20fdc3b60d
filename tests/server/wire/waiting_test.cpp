// Streams that wait, for a device, a report or memory: bounded, and holding up nobody.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/server/gate.h"
#include "tests/server/live_server.h"
#include "tests/server/raw_stream.h"
#include "tests/server/requests.h"
#include "tests/server/scripted_sessions.h"

namespace ncscope::testing {
namespace {

using server::IncomingBatch;

TEST(Waiting, ManyClosesMayWaitAndHoldUpNobody) {
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

TEST(Waiting, AStreamThatIsHeldUpTakesBoundedMemoryAndHoldsUpNobody) {
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

TEST(Waiting, WithLittleMemoryManyStreamsFinish) {
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

TEST(Waiting, ACallerThatGoesWhileItWaitsForMemoryHoldsUpNobody) {
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

TEST(Waiting, AServerThatStopsLetsSessionsEndFirst) {
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
