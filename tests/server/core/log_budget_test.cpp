// How a budget of logs is shared, and of which samples nc4 is beyond it.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "server/log/reader.h"
#include "tests/server/core/checkpoint_fixture.h"

namespace ncscope::testing {
namespace {

TEST_F(CheckpointTest, RanksShareTheBudget) {
  v1::Open open = open_for(samples_);
  open.set_world_size(4);
  limits_.log_budget_bytes = 4 * kBudget;
  for (size_t batch = 0; batch < 80; ++batch) {
    for (uint32_t rank = 0; rank < 4; ++rank) {
      open.set_rank(rank);
      send(open, samples_, 1);
    }
  }
  EXPECT_LE(file_bytes(), 6 * kBudget);
  EXPECT_GE(checkpoints(), 8u);
  restart();
  v1::Report report;
  for (uint32_t rank = 0; rank < 4; ++rank) {
    open.set_rank(rank);
    const auto result = send_rest(open, samples_, kPerBatch);
    if (result.report) report = *result.report;
  }
  EXPECT_EQ(report.data().samples(), 4 * kSamples);
}

// The log of a rank that nobody streams any more shrinks too, once others need the room.
TEST_F(CheckpointTest, AnIdleLogGivesRoom) {
  limits_.log_budget_bytes = 4 * kBudget;
  const v1::Open idle = open_for(samples_, "idle");
  send(idle, samples_, 75);
  EXPECT_EQ(checkpoints(), 0u);
  v1::Open open = open_for(samples_);
  open.set_world_size(3);
  for (uint32_t rank = 0; rank < 3; ++rank) {
    open.set_rank(rank);
    send(open, samples_, 15);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (checkpoints() == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_GE(checkpoints(), 1u);
  EXPECT_LE(file_bytes(), 4 * kBudget);
}

// Everything but the sample that it is does not depend on it.
TEST_F(CheckpointTest, ADamagedSampleIsPassedOver) {
  const v1::Report expected = undisturbed(samples_);
  const v1::Open open = open_for(samples_);
  send(open, samples_, 70);
  ASSERT_GE(checkpoints(), 1u);
  stop();
  const auto path = logs().at(0) / "rank-0.log";
  uint64_t place = 0;
  {
    server::LogReader reader(path);
    while (const auto record = reader.next()) {
      if (record->type == server::RecordType::kSample) place = record->place;
    }
    EXPECT_EQ(reader.damaged_samples(), 0u);
  }
  ASSERT_GT(place, 0u);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(place + 200));
    file.put('\x7f');
  }
  EXPECT_EQ(engine().open(open)->next_sequence(), 70u);
  EXPECT_EQ(services().counters.damaged_logs, 0u);
  const auto result = send_rest(open, samples_, kPerBatch);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(without_nc4(*result.report), without_nc4(expected));
}

// A classifier that is wrong about the first half of an epoch and right about the second: what is
// counted must be half of both, whatever was written anew when.
TEST_F(CheckpointTest, TheSampleIsOfTheWholeEpoch) {
  constexpr size_t kLong = 200'000;
  Samples samples = make_samples(kLong, 2, 2, DType::kFloat32, 1);
  samples.classifier.reset();
  for (size_t i = 0; i < kLong; ++i) {
    samples.predictions.push_back(i < kLong / 2 ? 1 - samples.labels[i] : samples.labels[i]);
  }
  uint32_t run = 0;
  for (const size_t budget : {256u << 10, 512u << 10, 1u << 20, 3u << 20}) {
    SCOPED_TRACE(budget);
    stop();
    limits_.log_budget_bytes = budget;
    const v1::Open open = open_for(samples, "run" + std::to_string(run++));
    send(open, samples, 450);
    restart();
    const auto result = send_rest(open, samples, kPerBatch);
    ASSERT_TRUE(result.report);
    // Each of so many batches is all wrong or all right.
    const double batches = static_cast<double>(result.report->nc4().samples()) / kPerBatch;
    EXPECT_GT(batches, 10);
    EXPECT_NEAR(result.report->nc4().classifier_accuracy(), 0.5, 1.5 / batches);
  }
}

// A rank that is all right and short beside one that is all wrong and long.
TEST_F(CheckpointTest, RanksCountByWhatTheySent) {
  limits_.log_budget_bytes = 1u << 20;
  v1::Open open;
  v1::Report report;
  for (const size_t rows : {200'000u, 10'000u}) {
    Samples samples = make_samples(rows, 2, 2, DType::kFloat32, 1);
    samples.classifier.reset();
    for (const int64_t label : samples.labels) {
      samples.predictions.push_back(rows > 10'000 ? 1 - label : label);
    }
    open = open_for(samples);
    open.set_world_size(2);
    open.set_rank(rows > 10'000 ? 0 : 1);
    const auto result = send_rest(open, samples, kPerBatch);
    if (result.report) report = *result.report;
  }
  EXPECT_NEAR(report.nc4().classifier_accuracy(), 10.0 / 210, 0.05);
}

// No train error of 0 is claimed of samples that were not looked at.
TEST_F(CheckpointTest, ASampleBeginsNoTerminalPhase) {
  Samples samples = samples_;
  samples.classifier.reset();
  samples.predictions = samples.labels;
  const v1::Report whole = undisturbed(samples);
  EXPECT_EQ(whole.nc4().classifier_accuracy(), 1);
  EXPECT_TRUE(whole.dynamics().has_terminal_phase_epoch());
  for (const uint32_t epoch : {0u, 1u}) {
    v1::Open open = open_for(samples);
    open.mutable_key()->set_epoch(epoch);
    const auto result = send_rest(open, samples, kPerBatch);
    ASSERT_TRUE(result.report);
    EXPECT_EQ(result.report->nc4().classifier_accuracy(), 1);
    EXPECT_FALSE(result.report->dynamics().has_terminal_phase_epoch());
  }
}

// Identities cannot be thinned out: where they take most of a log it grows, and is not written anew
// all the time.
TEST_F(CheckpointTest, IdentitiesDoNotMakeItThrash) {
  constexpr size_t kLong = 100'000;
  const Samples samples = make_samples(kLong, 2, 2, DType::kFloat32, 1);
  limits_.log_budget_bytes = kBudget;
  const auto session = engine().open(open_for(samples));
  auto batches = batches_of(samples, kPerBatch);
  for (size_t b = 0; b < batches.size(); ++b) {
    std::vector<uint64_t> ids(kPerBatch);
    for (size_t i = 0; i < kPerBatch; ++i) ids[i] = b * kPerBatch + i;
    batches[b].set_sample_ids(ids.data(), ids.size() * sizeof(uint64_t));
    batches[b].clear_crc32c();
    session->add_batch(incoming(batches[b], *session));
  }
  EXPECT_GE(checkpoints(), 2u);
  EXPECT_LE(checkpoints(), 20u);
  EXPECT_LE(file_bytes(), 2 * (kLong * sizeof(uint64_t) + kBudget));
}

}  // namespace
}  // namespace ncscope::testing
