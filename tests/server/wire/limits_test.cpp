// Budgets: what is refused, and that it is said when and how to try again.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

TEST(Limits, MessagesBeyondTheLimitAreRefused) {
  LiveServer live([](server::ServerOptions& o) { o.limits.max_message_bytes = 1 << 16; });
  const Samples samples = make_samples(800, 64, 3, DType::kFloat32, 1);
  StreamCall call(live.stub());
  ASSERT_TRUE(call.open(open_for(samples)));
  ASSERT_TRUE(call.batch(batch_of(samples, 0, 0, 200)));
  EXPECT_FALSE(call.batch(batch_of(samples, 1, 200, 600)));
  expect_status(call.finish(), grpc::RESOURCE_EXHAUSTED, {"65536"});
  StreamCall again(live.stub());
  const auto opened = again.open(open_for(samples));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 1u);
  EXPECT_TRUE(again.batch(batch_of(samples, 1, 200, 200)));
}

TEST(Limits, OpenSeries) {
  LiveServer live([](server::ServerOptions& o) { o.limits.max_open_series = 2; });
  const Samples samples = make_samples(40, 5, 3, DType::kFloat32, 1);
  StreamCall a(live.stub());
  StreamCall b(live.stub());
  ASSERT_TRUE(a.open(open_for(samples, "a")));
  ASSERT_TRUE(b.open(open_for(samples, "b")));
  StreamCall c(live.stub());
  EXPECT_FALSE(c.open(open_for(samples, "c")));
  expect_status(c.finish(), grpc::RESOURCE_EXHAUSTED, {"2 series", "try again later"});
  ASSERT_TRUE(a.batch(batch_of(samples, 0, 0, 40)));
  ASSERT_TRUE(a.close(1));
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples, "c"), samples, 20));
}

TEST(Limits, SeriesNobodyStreamsMakeRoom) {
  LiveServer live([](server::ServerOptions& o) {
    o.limits.max_open_series = 1;
    o.idle_series = std::chrono::seconds(0);
  });
  const Samples samples = make_samples(40, 5, 3, DType::kFloat32, 1);
  {
    StreamCall abandoned(live.stub());
    ASSERT_TRUE(abandoned.open(open_for(samples, "abandoned")));
    ASSERT_TRUE(abandoned.batch(batch_of(samples, 0, 0, 40)));
    {
      StreamCall early(live.stub());
      EXPECT_FALSE(early.open(open_for(samples, "early")));
      expect_status(early.finish(), grpc::RESOURCE_EXHAUSTED);
    }
    expect_status(abandoned.finish(), grpc::FAILED_PRECONDITION);  // the server knows it ended
  }
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples, "next"), samples, 20));
}

TEST(Limits, StateMemory) {
  LiveServer live([](server::ServerOptions& o) { o.limits.state_memory_bytes = 40 << 20; });
  Samples wide = make_samples(10, 1000, 3, DType::kFloat32, 1);
  wide.classifier.reset();
  {
    StreamCall first(live.stub());
    ASSERT_TRUE(first.open(open_for(wide, "a")));  // about 20 MB
    StreamCall second(live.stub());
    v1::Open too_large = open_for(wide, "b");
    too_large.set_dim(1500);
    EXPECT_FALSE(second.open(too_large));
    expect_status(second.finish(), grpc::RESOURCE_EXHAUSTED,
                  {"needs", "of the budget of 40.0 MiB", "try again"});
    EXPECT_EQ(live.server().engine().registry().size(), 1u);
    ASSERT_TRUE(first.batch(batch_of(wide, 0, 0, 10)));
    ASSERT_TRUE(first.close(1));
  }
  EXPECT_EQ(live.server().engine().services().memory.used(), 0u);
  StreamCall never(live.stub());
  v1::Open huge = open_for(wide, "huge");
  huge.set_dim(20'000);
  EXPECT_FALSE(never.open(huge));
  expect_status(never.finish(), grpc::RESOURCE_EXHAUSTED, {"raise --state-memory"});
}

TEST(Limits, HundredsOfStreamsAtOnce) {
  constexpr uint32_t kRanks = 300;
  LiveServer live;
  const Samples samples = make_samples(kRanks * 4, 5, 3, DType::kFloat64, 5);
  v1::Open open = open_for(samples);
  open.set_world_size(kRanks);
  std::vector<std::unique_ptr<StreamCall>> calls;
  for (uint32_t rank = 0; rank < kRanks; ++rank) {
    open.set_rank(rank);
    calls.push_back(std::make_unique<StreamCall>(live.stub()));
    ASSERT_TRUE(calls.back()->open(open)) << "rank " << rank;
  }
  EXPECT_EQ(live.server().engine().active(), kRanks);
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) calls[0]->chunk(chunk);
  std::optional<v1::Closed> closed;
  for (uint32_t rank = 0; rank < kRanks; ++rank) {
    ASSERT_TRUE(calls[rank]->batch(batch_of(samples, 0, rank * 4, 4)));
    closed = calls[rank]->close(1);
    ASSERT_TRUE(closed);
  }
  ASSERT_TRUE(closed->has_report());
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-10), "");
}

TEST(Limits, CallsBeyondTheThreadsAreRefused) {
  LiveServer live([](server::ServerOptions& o) { o.max_threads = 16; });
  const Samples samples = make_samples(40, 5, 3, DType::kFloat32, 1);
  std::vector<std::unique_ptr<StreamCall>> calls;
  grpc::Status refusal;
  for (int i = 0; i < 40 && refusal.ok(); ++i) {
    calls.push_back(std::make_unique<StreamCall>(live.stub()));
    if (calls.back()->open(open_for(samples, std::to_string(i)))) continue;
    refusal = calls.back()->finish();
  }
  expect_status(refusal, grpc::RESOURCE_EXHAUSTED);
  EXPECT_GE(calls.size(), 8u);
  calls.clear();
  // The threads of the cancelled calls come back one by one.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    StreamCall probe(live.stub());
    if (probe.open(open_for(samples, "probe"))) break;
    probe.finish();
  }
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples), samples, 20));
}

TEST(Limits, SamplesBeyondTheBudgetGiveTheSameReport) {
  const Samples samples = make_samples(600, 32, 4, DType::kFloat32, 2);
  LiveServer live([](server::ServerOptions& o) {
    o.limits.durability = server::Durability::kNone;
    o.limits.sample_memory_bytes = 20'000;
  });
  StreamCall call(live.stub());
  ASSERT_TRUE(call.open(open_for(samples)));
  const auto batches = batches_of(samples, 64);
  for (const auto& batch : batches) ASSERT_TRUE(call.batch(batch));
  const auto& store = live.server().engine().services().samples;
  EXPECT_GT(store.memory_used(), 0u);
  EXPECT_LE(store.memory_used(), 20'000u);
  EXPECT_GT(store.spool_used(), 50'000u);
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) call.chunk(chunk);
  const auto closed = call.close(batches.size());
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
  EXPECT_EQ(store.memory_used(), 0u);
  EXPECT_EQ(store.spool_used(), 0u);
}

TEST(Limits, ABrokenSpoolRefusesTheBatchAndLosesNothing) {
  const Samples samples = make_samples(600, 32, 4, DType::kFloat32, 3);
  LiveServer live([](server::ServerOptions& o) {
    o.limits.durability = server::Durability::kNone;
    o.limits.sample_memory_bytes = 20'000;
  });
  const auto spool = live.folder() / "data" / "spool";
  const auto batches = batches_of(samples, 100);
  {
    StreamCall call(live.stub());
    ASSERT_TRUE(call.open(open_for(samples)));
    ASSERT_TRUE(call.batch(batches[0]));
    std::filesystem::remove(spool);
    EXPECT_FALSE(call.batch(batches[1]));
    expect_status(call.finish(), grpc::RESOURCE_EXHAUSTED, {"spool", "send the batch again"});
  }
  std::filesystem::create_directory(spool);
  StreamCall call(live.stub());
  const auto opened = call.open(open_for(samples));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 1u);
  for (size_t i = 1; i < batches.size(); ++i) ASSERT_TRUE(call.batch(batches[i]));
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) call.chunk(chunk);
  const auto closed = call.close(batches.size());
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
}

TEST(Limits, AReportThatCannotBeStoredIsMadeByTheNextClose) {
  const Samples samples = make_samples(100, 8, 4, DType::kFloat32, 4);
  LiveServer live;
  const auto folder = live.folder() / "data" / "statistics";
  std::filesystem::remove(folder);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  ASSERT_TRUE(stream_all(live.stub(), open, samples.slice(0, 60), 20));
  open.set_rank(1);
  grpc::Status status;
  EXPECT_FALSE(stream_all(live.stub(), open, samples.slice(60, 40), 20, &status));
  expect_status(status, grpc::RESOURCE_EXHAUSTED, {"close again"});
  v1::Report none;
  expect_status(live.get_report(open.key(), none), grpc::NOT_FOUND);
  std::filesystem::create_directory(folder);
  open.set_rank(0);  // any rank may
  StreamCall call(live.stub());
  ASSERT_TRUE(call.open(open));
  const auto closed = call.close(3);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-6), "");
}

}  // namespace
}  // namespace ncscope::testing
