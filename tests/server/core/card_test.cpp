// Devices with memory of their own, in another math, and devices that are lost.
#include <gmock/gmock.h>

#include <numeric>

#include "kernels/accumulator.h"
#include "server/core/errors.h"
#include "tests/server/core/core_fixture.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

const Samples& small_samples() {
  static const Samples samples = make_samples(40, 4, 3, DType::kFloat32, 6);
  return samples;
}

size_t one_accumulator(Math math = Math::kExact) {
  return Accumulator::bytes_needed(3, 4, DType::kFloat32, math);
}

// A card that holds two accumulators in its half for them.
class CardTest : public CoreTest {
 protected:
  CardTest() : CoreTest({}, 2, {.backend = Backend::kCpu}, 2 * (2 * one_accumulator() + 7)) {}

  // All but so many bytes. A state needs 208, a weight is 96 and a bias 24.
  server::Reservation take_host_memory_but(size_t bytes) {
    server::MemoryBudget& memory = services_.memory;
    return memory.reserve(memory.limit() - memory.used() - bytes, "the test");
  }
};

TEST_F(CardTest, AccumulatorsTakeTheMemoryOfTheCard) {
  EXPECT_EQ(services_.device_memory.limit(), 2 * one_accumulator() + 7);
  const auto a = engine_.open(open_for(small_samples(), "a"));
  EXPECT_EQ(services_.device_memory.used(), one_accumulator());
  EXPECT_EQ(services_.memory.used(), 0u);
  for (const auto& chunk : chunks_of(*small_samples().classifier, 1000)) {
    a->add_classifier(server::incoming_part(chunk));
  }
  EXPECT_GT(services_.memory.used(), 0u);
  EXPECT_EQ(services_.device_memory.used(), one_accumulator());
  const auto b = engine_.open(open_for(small_samples(), "b"));
  try {
    engine_.open(open_for(small_samples(), "c"));
    FAIL() << "more than fits";
  } catch (const server::ResourceExhausted& error) {
    EXPECT_THAT(error.what(), HasSubstr("try again"));
    EXPECT_THAT(error.what(), HasSubstr("raise --device-memory"));
  }
  add_batch(*a, batch_of(small_samples(), 0, 0, 40));
  EXPECT_TRUE(a->close(1, false).report);
  EXPECT_EQ(services_.device_memory.used(), one_accumulator());
  EXPECT_EQ(services_.memory.used(), 0u);
  EXPECT_TRUE(engine_.open(open_for(small_samples(), "c")));
}

TEST_F(CardTest, StatesTakeTheMemoryOfTheHost) {
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(3, 4, DType::kFloat32);
  server::StateUpload upload(engine_, open_for(small_samples()));
  write_statistics(
      bundle, [&](const auto& header) { upload.header(header); },
      [&](const auto& block) { upload.block(block); });
  EXPECT_GT(services_.memory.used(), 0u);
  EXPECT_EQ(services_.device_memory.used(), 0u);
}

TEST_F(CardTest, RoomOnTheCardIsMadeOfIdleSeries) {
  server::Engine eager(services_, std::chrono::seconds(0));
  for (const char* run : {"a", "b", "c"}) {
    v1::Open open = open_for(small_samples(), run);
    open.set_world_size(2);
    const auto session = eager.open(open);
    add_batch(*session, batch_of(small_samples(), 0, 0, 40));
  }
  EXPECT_EQ(eager.registry().open_runs().count("a"), 0u);
  EXPECT_EQ(eager.registry().open_runs().count("b"), 1u);
}

// Rank 0 of two closes by a state, which takes memory of the host only.
void leave_state(server::Engine& engine, const std::string& run) {
  v1::Open open = open_for(small_samples(), run);
  open.set_world_size(2);
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(3, 4, DType::kFloat32);
  server::StateUpload upload(engine, open);
  write_statistics(
      bundle, [&](const auto& header) { upload.header(header); },
      [&](const auto& block) { upload.block(block); });
  EXPECT_EQ(upload.finish().closed_ranks, 1u);
}

// A stream that sent samples, and a classifier where one is asked for, and is gone.
void leave_stream(server::Engine& engine, const std::string& run, bool classifier = false) {
  v1::Open open = open_for(small_samples(), run);
  open.set_world_size(2);
  const auto session = engine.open(open);
  add_batch(*session, batch_of(small_samples(), 0, 0, 40));
  if (!classifier) return;
  for (const auto& chunk : chunks_of(*small_samples().classifier, 1000)) {
    session->add_classifier(server::incoming_part(chunk));
  }
}

TEST_F(CardTest, RoomOnTheCardIsNotMadeOfWhatIsOnTheHost) {
  server::Engine eager(services_, std::chrono::seconds(0));
  leave_state(eager, "state");  // idle longest
  leave_stream(eager, "a");
  leave_stream(eager, "b");
  const auto session = eager.open(open_for(small_samples(), "c"));
  const auto another = eager.open(open_for(small_samples(), "d"));
  EXPECT_EQ(eager.registry().open_runs().count("state"), 1u);
  EXPECT_EQ(eager.registry().open_runs().count("a"), 0u);
  EXPECT_EQ(eager.registry().open_runs().count("b"), 0u);
  EXPECT_THROW(eager.open(open_for(small_samples(), "e")), server::BudgetExhausted);
  EXPECT_EQ(eager.registry().open_runs().count("state"), 1u);
}

TEST_F(CardTest, RoomOnTheHostIsNotMadeOfWhatIsOnTheCard) {
  server::Engine eager(services_, std::chrono::seconds(0));
  leave_stream(eager, "a");  // idle longest
  leave_stream(eager, "b", true);
  const auto taken = take_host_memory_but(150);
  leave_state(eager, "state");
  EXPECT_EQ(eager.registry().open_runs().count("a"), 1u);
  EXPECT_EQ(eager.registry().open_runs().count("b"), 0u) << "its classifier was on the host";
  EXPECT_EQ(eager.registry().open_runs().count("state"), 1u);
}

TEST_F(CardTest, RoomOnTheHostIsMadeOfHalfAClassifierAndOfIdentitiesToo) {
  server::Engine eager(services_, std::chrono::seconds(0));
  {
    const auto session = eager.open(open_for(small_samples(), "half"));
    const auto chunks = chunks_of(*small_samples().classifier, 2);
    session->add_classifier(server::incoming_part(chunks[0]));
  }
  {
    const auto session = eager.open(open_for(small_samples(), "ids"));
    v1::Batch batch = batch_of(small_samples(), 0, 0, 40);
    std::vector<uint64_t> ids(40);
    std::iota(ids.begin(), ids.end(), 0);
    batch.set_sample_ids(ids.data(), ids.size() * sizeof(uint64_t));
    batch.set_crc32c(checksum_of(batch));
    add_batch(*session, batch);
  }
  const auto taken = take_host_memory_but(100);
  leave_state(eager, "state");  // needs more than half a classifier
  EXPECT_EQ(eager.registry().open_runs().count("half"), 0u);
  EXPECT_EQ(eager.registry().open_runs().count("ids"), 0u);
}

class Fp64Test : public CoreTest {
 protected:
  Fp64Test() : CoreTest({}, 2, {.backend = Backend::kCpu, .math = Math::kFloat64}) {}
};

TEST_F(Fp64Test, IsReservedAndReported) {
  const auto session = engine_.open(open_for(small_samples()));
  ASSERT_NE(one_accumulator(Math::kFloat64), one_accumulator());
  EXPECT_EQ(services_.memory.used(), one_accumulator(Math::kFloat64));
  add_batch(*session, batch_of(small_samples(), 0, 0, 40));
  const auto result = session->close(1, false);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(result.report->device().math(), "fp64");
  EXPECT_EQ(result.report->conventions().accumulation(), "float64");
}

// What is lost after n operations: in the first batch, in a later one, while the report is made.
class LossTest : public CoreTest, public ::testing::WithParamInterface<long> {
 protected:
  void expect_refused(const std::function<void()>& call) {
    try {
      call();
      FAIL() << "not refused";
    } catch (const DeviceLost& error) {
      EXPECT_THAT(error.what(), HasSubstr("try again when the server has restarted"));
    }
  }
};

TEST_P(LossTest, RefusesWhatNeedsADeviceAndKeepsTheReports) {
  const Samples samples = make_samples(300, 10, 4, DType::kFloat32, 1);
  const auto stored = stream_all(open_for(samples, "before"), samples, 64).report;
  ASSERT_TRUE(stored);
  int told = 0;
  services_.devices.on_loss([&] { ++told; });

  v1::Open open = open_for(samples, "during");
  const auto session = engine_.open(open);
  const auto waiting = engine_.open(open_for(samples, "waiting"));
  const auto batches = batches_of(samples, 64);
  server::StateUpload upload(engine_, open_for(samples, "state"));
  card_.operations_left = GetParam();
  expect_refused([&] {
    for (const v1::Batch& batch : batches) add_batch(*session, batch);
    session->close(batches.size(), false);
  });
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(services_.devices.lost());

  expect_refused([&] { add_batch(*waiting, batches[0]); });
  expect_refused([&] { waiting->close(0, false); });
  expect_refused([&] { session->close(batches.size(), false); });
  expect_refused([&] { engine_.open(open_for(samples, "late")); });
  expect_refused([&] { server::StateUpload(engine_, open); });
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(4, 10, DType::kFloat32);
  write_statistics(
      bundle, [&](const auto& header) { upload.header(header); },
      [&](const auto& block) { upload.block(block); });
  expect_refused([&] { upload.finish(); });

  v1::GetReportRequest report;
  report.mutable_key()->set_run("before");
  EXPECT_EQ(engine_.get_report(report, [] { return false; }).SerializeAsString(),
            stored->SerializeAsString());
  v1::GetStatisticsRequest state;
  state.mutable_key()->set_run("before");
  EXPECT_EQ(engine_.get_statistics(state).bundle.statistics.samples, 300u);
  report.mutable_key()->set_run("during");
  EXPECT_THROW(engine_.get_report(report, [] { return false; }), server::NotFound);
}

INSTANTIATE_TEST_SUITE_P(Operations, LossTest, ::testing::Values(0, 1, 13, 15, 20, 25, 40));

}  // namespace
}  // namespace ncscope::testing
