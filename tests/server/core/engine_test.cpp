// Streams and reports without a transport.
#include "server/core/engine.h"

#include <gmock/gmock.h>

#include <thread>

#include "kernels/accumulator.h"
#include "server/core/errors.h"
#include "tests/server/core/core_fixture.h"

namespace ncscope::testing {
namespace {

using server::Aborted;
using server::NotFound;

class EngineTest : public CoreTest {};

TEST_F(EngineTest, ASeriesFromOpenToReport) {
  const Samples samples = make_samples(300, 10, 4, DType::kFloat32, 1);
  const auto result = stream_all(open_for(samples), samples, 64);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(difference(local_report(samples), *result.report, 1e-15), "");
  v1::GetReportRequest request;
  request.mutable_key()->set_run("run");
  EXPECT_EQ(engine_.get_report(request, [] { return false; }).SerializeAsString(),
            result.report->SerializeAsString());
  EXPECT_EQ(engine_.registry().size(), 0u);
  EXPECT_EQ(services_.memory.used(), 0u);
  EXPECT_EQ(services_.samples.memory_used(), 0u);
  EXPECT_EQ(services_.counters.reports, 1u);
}

TEST_F(EngineTest, ASessionThatWasReplacedIsAborted) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 2);
  const auto old = engine_.open(open_for(samples));
  const auto newer = engine_.open(open_for(samples));
  const v1::Batch batch = batch_of(samples, 0, 0, 40);
  EXPECT_THROW(add_batch(*old, batch), Aborted);
  EXPECT_THROW(old->close(0, false), Aborted);
  EXPECT_EQ(add_batch(*newer, batch), 0u);
  EXPECT_EQ(services_.counters.taken_over_streams, 1u);
}

TEST_F(EngineTest, AnEndedSessionIsNotTakenOver) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 2);
  engine_.open(open_for(samples)).reset();
  engine_.open(open_for(samples)).reset();
  EXPECT_EQ(services_.counters.taken_over_streams, 0u);
}

TEST_F(EngineTest, DrainingRefusesNewStreamsOnly) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 3);
  auto session = engine_.open(open_for(samples));
  EXPECT_EQ(engine_.active(), 1u);
  engine_.begin_drain();
  EXPECT_THROW(engine_.open(open_for(samples, "other")), server::Unavailable);
  const v1::Batch batch = batch_of(samples, 0, 0, 40);
  add_batch(*session, batch);
  EXPECT_TRUE(session->close(1, false).report);
  session.reset();
  EXPECT_EQ(engine_.active(), 0u);
}

TEST_F(EngineTest, AStateThatIsReceivedIsWaitedFor) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 3);
  {
    const server::StateUpload upload(engine_, open_for(samples));
    EXPECT_EQ(engine_.active(), 1u);
  }
  EXPECT_EQ(engine_.active(), 0u);
  engine_.begin_drain();
  EXPECT_THROW(server::StateUpload(engine_, open_for(samples)), server::Unavailable);
  EXPECT_EQ(engine_.active(), 0u);
}

TEST_F(EngineTest, AReportThatFindsNoMemoryIsMadeByTheNextClose) {
  const Samples samples = make_samples(300, 10, 4, DType::kFloat32, 1);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  const Samples parts[] = {samples.slice(0, 120), samples.slice(120, 180)};
  ASSERT_FALSE(stream_all(open, parts[0], 64).report);
  open.set_rank(1);
  const auto session = engine_.open(open);
  const auto batches = batches_of(parts[1], 64);
  for (const v1::Batch& batch : batches) add_batch(*session, batch);
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) {
    session->add_classifier(server::incoming_part(chunk));
  }
  // Each time a little later: when ranks are finished, merged, decided about, and measured.
  uint64_t failures = 0;
  std::shared_ptr<const v1::Report> report;
  for (; !report && failures < 1000; ++failures) {
    memory_.left = static_cast<long>(failures);
    try {
      report = session->close(batches.size(), false).report;
    } catch (const OutOfMemory&) {
    }
  }
  EXPECT_GT(failures, 5u);
  EXPECT_EQ(services_.counters.report_failures, failures - 1);
  ASSERT_TRUE(report);
  memory_.left = -1;
  EXPECT_EQ(difference(local_report(samples), *report, 1e-6), "");
  EXPECT_EQ(services_.memory.used(), 0u);
}

TEST_F(EngineTest, AStateThatDoesNotFitTheBudgetIsNotRead) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 4);
  const v1::Open open = open_for(samples);
  stream_all(open, samples, 20);
  v1::GetStatisticsRequest request;
  *request.mutable_key() = open.key();
  {
    const auto most = services_.memory.reserve(services_.memory.limit() - 100, "the test");
    EXPECT_THROW(engine_.get_statistics(request), server::ResourceExhausted);
  }
  const server::StoredState state = engine_.get_statistics(request);
  EXPECT_EQ(state.bundle.statistics.samples, 40u);
  EXPECT_EQ(services_.memory.used(), state.memory.bytes());
}

TEST_F(EngineTest, WaitingNoticesTheCallerAndTheEnd) {
  v1::GetReportRequest request;
  request.mutable_key()->set_run("never");
  request.set_wait(true);
  EXPECT_THROW(engine_.get_report(request, [] { return true; }), server::Cancelled);
  engine_.stop();
  EXPECT_THROW(engine_.get_report(request, [] { return false; }), server::Unavailable);
}

TEST_F(EngineTest, UnknownStatesAreRemovedAtTheStart) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 4);
  stream_all(open_for(samples), samples, 20);
  const auto left_behind = data_.statistics() / "1-2.ncstats.tmp77";
  write_file(left_behind, "half");
  const server::Engine restarted(services_, std::chrono::hours(1));
  EXPECT_FALSE(std::filesystem::exists(left_behind));
  v1::GetStatisticsRequest request;
  request.mutable_key()->set_run("run");
  EXPECT_EQ(engine_.get_statistics(request).bundle.statistics.samples, 40u);
}

// Many threads on few series: whoever wins, every answer is a report, a count or an error of ours.
TEST_F(EngineTest, CrowdedSeriesStayConsistent) {
  constexpr uint32_t kRanks = 3;
  const Samples samples = make_samples(120, 6, 3, DType::kFloat32, 5);
  const Samples part = samples.slice(0, 40);
  const auto trainer = [&](uint32_t rank, uint32_t attempt, const std::string& run) {
    v1::Open open = open_for(samples, run);
    open.set_rank(rank);
    open.set_world_size(kRanks);
    open.set_attempt(attempt);
    try {
      stream_all(open, part, 7);
    } catch (const Error&) {
      // Taken over, dropped, or reported by others already.
    }
  };
  const auto delete_run = [&] {
    v1::DeleteRunRequest request;
    request.set_run("deleted");
    try {
      engine_.delete_run(request);
    } catch (const NotFound&) {
    }
  };
  std::vector<std::thread> threads;
  for (const char* run : {"kept", "deleted"}) {
    for (uint32_t i = 0; i < 4 * kRanks; ++i) {
      threads.emplace_back([&, i, run] { trainer(i % kRanks, i / (2 * kRanks), run); });
    }
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 20; ++i) {
      engine_.list_runs({});
      delete_run();
    }
  });
  for (std::thread& thread : threads) thread.join();
  // Whatever happened, the highest attempt can be finished.
  for (uint32_t rank = 0; rank < kRanks; ++rank) trainer(rank, 1, "kept");
  v1::GetReportRequest request;
  request.mutable_key()->set_run("kept");
  const v1::Report report = engine_.get_report(request, [] { return false; });
  EXPECT_EQ(report.attempt(), 1u);
  EXPECT_EQ(report.data().samples(), 120u);
  delete_run();
  EXPECT_EQ(engine_.registry().size(), 0u);
  EXPECT_EQ(services_.memory.used(), 0u);
  EXPECT_EQ(services_.samples.memory_used(), 0u);
}

TEST_F(EngineTest, ARefusedStateLeavesNoClassifier) {
  Samples samples = make_samples(40, 4, 3, DType::kFloat32, 3);
  const v1::Open open = open_for(samples);
  const auto session = engine_.open(open);
  StatisticsBundle empty;
  empty.statistics = Statistics::empty(3, 4, DType::kFloat32);
  empty.classifier = samples.classifier;
  server::StateUpload upload(engine_, open);
  write_statistics(
      empty, [&](const auto& header) { upload.header(header); },
      [&](const auto& block) { upload.block(block); });
  EXPECT_THROW(upload.finish(), server::FailedPrecondition);  // N = 0
  add_batch(*session, batch_of(samples, 0, 0, 40));
  const auto result = session->close(1, false);
  ASSERT_TRUE(result.report);
  samples.classifier.reset();
  EXPECT_EQ(difference(local_report(samples), *result.report, 1e-15), "");
}

TEST_F(EngineTest, ANewWeightTakesTheOldBiasWithIt) {
  Samples samples = make_samples(40, 4, 3, DType::kFloat32, 3);
  const auto session = engine_.open(open_for(samples));
  add_batch(*session, batch_of(samples, 0, 0, 40));
  const auto send = [&] {
    for (const auto& chunk : chunks_of(*samples.classifier, 1000)) {
      session->add_classifier(server::incoming_part(chunk));
    }
  };
  send();
  samples.classifier->weight[0] += 1;
  samples.classifier->bias.clear();
  send();
  const auto result = session->close(1, false);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(difference(local_report(samples), *result.report, 1e-15), "");
}

TEST_F(EngineTest, TheClassifierOfAStateTakesThePlaceOfAStreamedOne) {
  Samples samples = make_samples(40, 4, 3, DType::kFloat32, 3);
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(3, 4, DType::kFloat32);
  Classifier without_bias = *samples.classifier;
  without_bias.weight[0] += 1;
  without_bias.bias.clear();
  bundle.classifier = without_bias;
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  const auto session = engine_.open(open);
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) {
    session->add_classifier(server::incoming_part(chunk));
  }
  server::StateUpload upload(engine_, open);
  write_statistics(
      bundle, [&](const auto& header) { upload.header(header); },
      [&](const auto& block) { upload.block(block); });
  EXPECT_EQ(upload.finish().closed_ranks, 1u);
  open.set_rank(1);
  samples.classifier = without_bias;
  ASSERT_TRUE(stream_all(open, samples, 40).report);
  v1::GetStatisticsRequest request;
  *request.mutable_key() = open.key();
  const server::StoredState state = engine_.get_statistics(request);
  EXPECT_EQ(state.bundle.classifier->weight, without_bias.weight);
  EXPECT_TRUE(state.bundle.classifier->bias.empty());
}

TEST_F(EngineTest, StatesOfMoreSamplesThan64BitsCountAreRefused) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat64, 3);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  StatisticsBundle large;
  large.statistics = Statistics::empty(3, 4, DType::kFloat64);
  large.statistics.samples = (uint64_t{1} << 63) + 5;
  large.statistics.classes = {0};
  large.statistics.counts = {large.statistics.samples};
  large.statistics.means = {1, 2, 3, 4};
  large.statistics.within = {0};
  const auto put = [&](uint32_t rank) {
    open.set_rank(rank);
    server::StateUpload upload(engine_, open);
    write_statistics(
        large, [&](const auto& header) { upload.header(header); },
        [&](const auto& block) { upload.block(block); });
    return upload.finish();
  };
  EXPECT_EQ(put(0).closed_ranks, 1u);
  EXPECT_THROW(put(1), InvalidArgument);
  const auto result = stream_all(open, samples, 40);  // rank 1 is still open
  EXPECT_TRUE(result.report);
}

class SmallEngineTest : public CoreTest {
 protected:
  static server::Limits limits() {
    server::Limits limits;
    limits.max_open_series = 1;
    return limits;
  }
  SmallEngineTest() : CoreTest(limits()), eager_(services_, std::chrono::seconds(0)) {}
  server::Engine eager_;  // drops idle series at once
};

TEST_F(SmallEngineTest, ASeriesWithAStreamIsNotIdle) {
  const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 6);
  auto session = eager_.open(open_for(samples, "a"));
  EXPECT_THROW(eager_.open(open_for(samples, "b")), server::ResourceExhausted);
  session.reset();
  EXPECT_TRUE(eager_.open(open_for(samples, "b")));
}

// Room for one accumulator and a half; the engine drops idle series at once.
class TightEngineTest : public CoreTest {
 protected:
  static server::Limits limits() {
    server::Limits limits;
    limits.state_memory_bytes = Accumulator::bytes_needed(3, 4, DType::kFloat32) * 3 / 2;
    return limits;
  }
  TightEngineTest() : CoreTest(limits()), eager_(services_, std::chrono::seconds(0)) {}

  // Rank 0 of two streams everything, closes and goes.
  void leave_half(const std::string& run) {
    v1::Open open = open_for(samples_, run);
    open.set_world_size(2);
    const auto session = eager_.open(open);
    add_batch(*session, batch_of(samples_, 0, 0, 40));
    EXPECT_EQ(session->close(1, false).closed_ranks, 1u);
  }

  const Samples samples_ = make_samples(40, 4, 3, DType::kFloat32, 6);
  server::Engine eager_;
};

TEST_F(TightEngineTest, ASeriesIsNotDroppedToMakeRoomForItself) {
  leave_half("a");
  v1::Open second = open_for(samples_, "a");
  second.set_world_size(2);
  second.set_rank(1);
  EXPECT_THROW(eager_.open(second), server::ResourceExhausted);
  EXPECT_EQ(eager_.registry().open_runs().count("a"), 1u);
}

TEST_F(TightEngineTest, StreamsAndStatesTakeTheRoomOfTheIdleOnly) {
  leave_half("a");
  EXPECT_TRUE(eager_.open(open_for(samples_, "b")));
  EXPECT_EQ(eager_.registry().open_runs().count("a"), 0u);

  leave_half("c");
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(3, 4, DType::kFloat32);
  const auto taken =
      services_.memory.reserve(services_.memory.limit() - services_.memory.used(), "the test");
  server::StateUpload upload(eager_, open_for(samples_, "d"));
  write_statistics(
      bundle, [&](const auto& header) { upload.header(header); },
      [&](const auto& block) { upload.block(block); });
  EXPECT_EQ(eager_.registry().open_runs().count("c"), 0u);
}

TEST_F(TightEngineTest, NothingIsDroppedForWhatNeverFits) {
  leave_half("a");
  v1::Open large = open_for(samples_, "b");
  large.set_dim(1000);
  EXPECT_THROW(eager_.open(large), server::ResourceExhausted);
  EXPECT_EQ(eager_.registry().open_runs().count("a"), 1u);
}

}  // namespace
}  // namespace ncscope::testing
