// Logs beyond --log-budget: sums in place of most samples, and what a restart makes of them.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "proto/convert/crc32c.h"
#include "server/core/errors.h"
#include "server/log/reader.h"
#include "tests/server/core/checkpoint_fixture.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(CheckpointTest, TheLogStaysBoundedAndTheReportIsTheSame) {
  const v1::Report expected = undisturbed(samples_);
  EXPECT_EQ(expected.nc4().samples(), kSamples);
  const v1::Open open = open_for(samples_);
  for (size_t sent = 0; sent < kSamples; sent += kPerBatch) {
    send(open, samples_, 1);
    EXPECT_LE(file_bytes(), kBudget + (kBudget / 2));
    EXPECT_EQ(services().logs.bytes(), static_cast<int64_t>(file_bytes()));
  }
  EXPECT_GE(checkpoints(), 3u);
  const auto result = send_rest(open, samples_, kPerBatch);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(without_nc4(*result.report), without_nc4(expected));
  const v1::Nc4& nc4 = result.report->nc4();
  EXPECT_GT(nc4.samples(), kBudget / 16 / 32);
  EXPECT_LT(nc4.samples(), kSamples / 2);
  EXPECT_EQ(nc4.centers().split(), "train");
  // Every n-th batch is as good a sample as any: five standard deviations.
  const double p = expected.nc4().ncc_accuracy();
  EXPECT_NEAR(nc4.ncc_accuracy(), p,
              5 * std::sqrt(p * (1 - p) / static_cast<double>(nc4.samples())) + 1e-9);
  bool said = false;
  for (const auto& warning : result.report->warnings()) said |= warning.code() == "nc4_sampled";
  EXPECT_TRUE(said);
  EXPECT_TRUE(logs().empty());
  EXPECT_EQ(services().logs.bytes(), 0);
}

TEST_F(CheckpointTest, ARestartGoesOnToTheSameBits) {
  const v1::Report expected = undisturbed(samples_);
  const v1::Open open = open_for(samples_);
  uint64_t checkpoints_made = 0;
  for (const size_t count : {1u, 20u, 3u, 9u, 14u, 1u, 25u}) {
    send(open, samples_, count);
    checkpoints_made += checkpoints();
    restart();
  }
  EXPECT_GE(checkpoints_made, 3u);
  // Only what came after the last checkpoint was added anew.
  EXPECT_LT(services().counters.replayed_batches, 40u);
  {
    const auto session = engine().open(open);
    EXPECT_EQ(session->next_sequence(), 73u);
    const auto batches = batches_of(samples_, kPerBatch);
    EXPECT_EQ(session->add_batch(incoming(batches[0], *session)), 72u);  // acknowledged again
    v1::Batch other = batches[1];
    (*other.mutable_features())[0] ^= 1;
    other.clear_crc32c();
    EXPECT_THROW(session->add_batch(incoming(other, *session)), server::AlreadyExists);
  }
  const auto result = send_rest(open, samples_, kPerBatch);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(without_nc4(*result.report), without_nc4(expected));
  EXPECT_LT(result.report->nc4().samples(), kSamples / 2);
}

TEST_F(CheckpointTest, KeepsIdentitiesPredictionsAndTheClassifier) {
  Samples samples = samples_;
  for (size_t i = 0; i < kSamples; ++i) samples.predictions.push_back(static_cast<int64_t>(i % 4));
  auto batches = batches_of(samples, kPerBatch);
  for (size_t b = 0; b < batches.size(); ++b) {
    std::vector<uint64_t> ids(kPerBatch);
    // The last 100 samples came before.
    for (size_t i = 0; i < kPerBatch; ++i) ids[i] = (b * kPerBatch + i) % (kSamples - 100);
    batches[b].set_sample_ids(ids.data(), ids.size() * sizeof(uint64_t));
    batches[b].clear_crc32c();
  }
  const auto send_until = [&](const v1::Open& open, size_t end) {
    const auto session = engine().open(open);
    for (size_t i = session->next_sequence(); i < end; ++i) {
      session->add_batch(incoming(batches[i], *session));
    }
  };
  const auto finish = [&](const v1::Open& open) {
    const auto result = engine().open(open)->close(batches.size(), false);
    EXPECT_TRUE(result.report);
    return result.report ? *result.report : v1::Report();
  };
  const v1::Open undisturbed = open_for(samples, "undisturbed");
  send_classifier(*engine().open(undisturbed), samples);
  send_until(undisturbed, batches.size());
  const v1::Report expected = finish(undisturbed);
  EXPECT_EQ(expected.data().samples(), kSamples - 100);
  stop();
  limits_.log_budget_bytes = 2 * kBudget;
  const v1::Open open = open_for(samples);
  send_classifier(*engine().open(open), samples);
  for (const size_t end : {60u, 80u}) {
    send_until(open, end);
    if (end == 60) {
      EXPECT_GE(checkpoints(), 1u);
    }
    restart();
  }
  const v1::Batch bare = batch_of(samples_, 80, 0, 10);
  {
    const auto session = engine().open(open);
    EXPECT_THROW(session->add_batch(incoming(bare, *session)), InvalidArgument);
  }
  const v1::Report report = finish(open);
  EXPECT_EQ(without_nc4(report), without_nc4(expected));
  EXPECT_EQ(report.nc4().decision_source(), v1::DECISION_SOURCE_CLASSIFIER);
}

TEST_F(CheckpointTest, WhereItFailsTheLogStays) {
  const v1::Report expected = undisturbed(samples_);
  const v1::Open open = open_for(samples_);
  send(open, samples_, 1);
  const auto in_the_way = logs().at(0) / "rank-0.log.new";
  std::filesystem::create_directory(in_the_way);
  send(open, samples_, 40);
  EXPECT_EQ(checkpoints(), 0u);
  EXPECT_GE(services().counters.checkpoint_failures, 1u);
  EXPECT_LT(services().counters.checkpoint_failures, 10u);  // not at every batch
  EXPECT_GT(file_bytes(), kBudget * 3 / 2);
  std::filesystem::remove(in_the_way);
  const auto result = send_rest(open, samples_, kPerBatch);
  EXPECT_GE(checkpoints(), 1u);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(without_nc4(*result.report), without_nc4(expected));
}

// A crash may leave half of a new log.
TEST_F(CheckpointTest, HalfOfANewLogIsNothing) {
  const v1::Report expected = undisturbed(samples_);
  limits_.log_budget_bytes = 0;
  const v1::Open open = open_for(samples_);
  send(open, samples_, 10);
  stop();
  std::ofstream(logs().at(0) / "rank-0.log.new") << "half a record";
  limits_.log_budget_bytes = kBudget;
  const auto result = send_rest(open, samples_, kPerBatch);
  EXPECT_GE(checkpoints(), 1u);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(without_nc4(*result.report), without_nc4(expected));
}

TEST_F(CheckpointTest, ADamagedCheckpointIsNoCheckpoint) {
  undisturbed(samples_);
  const v1::Open open = open_for(samples_);
  send(open, samples_, 60);
  ASSERT_GE(checkpoints(), 1u);
  stop();
  {
    std::fstream file(logs().at(0) / "rank-0.log", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2000);
    file.put('\x7f');
  }
  EXPECT_EQ(services().counters.damaged_logs, 1u);
  EXPECT_EQ(engine().open(open)->next_sequence(), 0u);
}

// Sums that only another --math could go on from are kept for it; the others are served.
TEST_F(CheckpointTest, AnotherMathLosesTheRankAndKeepsTheLog) {
  undisturbed(samples_);
  const v1::Open open = open_for(samples_);
  send(open, samples_, 60);
  ASSERT_GE(checkpoints(), 1u);
  stop();
  const uint64_t bytes = file_bytes();
  math_ = Math::kFloat64;
  v1::ListSeriesRequest request;
  const auto series = engine().list_series(request);
  ASSERT_EQ(series.series_size(), 1);
  EXPECT_EQ(series.series(0).state(), v1::ListSeriesResponse::STATE_LOST);
  EXPECT_THAT(series.series(0).missing(0).broken(),
              HasSubstr("--math they were made with: an image of sums: expected products in"));
  {
    const auto session = engine().open(open);
    const auto batch = batches_of(samples_, kPerBatch).at(0);
    EXPECT_THROW(session->add_batch(incoming(batch, *session)), server::FailedPrecondition);
  }
  EXPECT_TRUE(send_rest(open_for(samples_, "another"), samples_, kPerBatch).report);
  EXPECT_EQ(file_bytes(), bytes);
  stop();
  math_ = Math::kExact;
  EXPECT_EQ(engine().open(open)->next_sequence(), 60u);
}

TEST_F(CheckpointTest, WithoutThatRankTheEpochIsReportedInPart) {
  undisturbed(samples_);
  v1::Open open = open_for(samples_);
  open.set_world_size(2);
  send(open, samples_, 60);
  ASSERT_GE(checkpoints(), 1u);
  stop();
  math_ = Math::kFloat64;
  open.set_rank(1);
  EXPECT_FALSE(send_rest(open, samples_, kPerBatch).report);
  v1::ReportPartialRequest request;
  *request.mutable_key() = open.key();
  const v1::Report report = engine().report_partial(request).report();
  EXPECT_TRUE(report.partial());
  EXPECT_EQ(report.data().samples(), kSamples);
}

// What only a newer version can read is not touched.
TEST_F(CheckpointTest, ARecordOfANewerVersionStopsTheStart) {
  send(open_for(samples_), samples_, 3);
  stop();
  const auto path = logs().at(0) / "rank-0.log";
  const uint64_t bytes = std::filesystem::file_size(path);
  server::RecordHeader header = server::make_header(server::RecordType::kClose, {});
  header.type = 9;
  header.header_crc = crc32c(&header, offsetof(server::RecordHeader, header_crc));
  std::ofstream(path, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(&header), sizeof(header));
  try {
    start();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a record of type 9 is of a newer version"));
  }
  EXPECT_EQ(std::filesystem::file_size(path), bytes + sizeof(header));
}

}  // namespace
}  // namespace ncscope::testing
