// What an epoch that is not finished is after a restart.
#include <gmock/gmock.h>

#include <cstring>
#include <fstream>

#include "kernels/accumulator.h"
#include "proto/convert/statistics_file.h"
#include "server/core/errors.h"
#include "server/core/state_upload.h"
#include "tests/server/core/restart_fixture.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

constexpr size_t kBatchRows = 16;

class RestoreTest : public RestartFixture {
 protected:
  RestoreTest() {
    open_.set_world_size(2);
    undisturbed_ = finish_both("undisturbed");
  }

  v1::Open open_of(uint32_t rank, const std::string& run = "run") const {
    v1::Open open = open_;
    open.mutable_key()->set_run(run);
    open.set_rank(rank);
    return open;
  }
  Samples part(uint32_t rank) const { return samples_.slice(rank * 50, rank == 0 ? 50 : 70); }

  // Whatever is missing of both ranks; the report, comparable.
  std::string finish_both(const std::string& run) {
    send_rest(open_of(0, run), part(0), kBatchRows);
    const auto result = send_rest(open_of(1, run), part(1), kBatchRows);
    return result.report ? comparable(*result.report) : "";
  }

  const Samples samples_ = make_samples(120, 6, 4, DType::kFloat32, 1);
  v1::Open open_ = open_for(samples_);
  std::string undisturbed_;
};

TEST_F(RestoreTest, GoesOnAfterAnyMessage) {
  ASSERT_NE(undisturbed_, "");
  EXPECT_TRUE(logs().empty());
  const auto batches = batches_of(part(0), kBatchRows);
  // What rank 0 has sent: so many batches, then the classifier, then the end.
  for (size_t sent = 0; sent <= batches.size() + 2; ++sent) {
    SCOPED_TRACE(sent);
    const std::string run = "run" + std::to_string(sent);
    {
      const auto session = engine().open(open_of(0, run));
      for (size_t i = 0; i < std::min(sent, batches.size()); ++i) {
        EXPECT_EQ(session->add_batch(incoming(batches[i], *session)), i);
      }
      if (sent > batches.size()) send_classifier(*session, part(0));
      if (sent > batches.size() + 1) {
        EXPECT_FALSE(session->close(batches.size(), false).report);
      }
    }
    restart();
    EXPECT_EQ(engine().open(open_of(0, run))->next_sequence(), std::min(sent, batches.size()));
    EXPECT_EQ(finish_both(run), undisturbed_);
    EXPECT_TRUE(logs().empty());
    EXPECT_EQ(services().memory.used(), 0u);
    EXPECT_EQ(services().logs.bytes(), 0);
  }
}

TEST_F(RestoreTest, ManyRestartsInOneEpoch) {
  for (size_t round = 0; round < 12; ++round) {
    for (const uint32_t rank : {0u, 1u}) {
      const auto session = engine().open(open_of(rank));
      const auto batches = batches_of(part(rank), kBatchRows);
      const uint64_t next = session->next_sequence();
      if (next < batches.size()) session->add_batch(incoming(batches[next], *session));
    }
    restart();
  }
  EXPECT_EQ(finish_both("run"), undisturbed_);
}

TEST_F(RestoreTest, KnowsWhatItHasReceived) {
  const auto batches = batches_of(part(0), kBatchRows);
  {
    const auto session = engine().open(open_of(0));
    session->add_batch(incoming(batches[0], *session));
    session->add_batch(incoming(batches[1], *session));
  }
  restart();
  const auto session = engine().open(open_of(0));
  EXPECT_EQ(session->add_batch(incoming(batches[0], *session)), 1u);
  v1::Batch other = batches[0];
  (*other.mutable_features())[0] ^= 1;
  other.clear_crc32c();
  EXPECT_THROW(session->add_batch(incoming(other, *session)), server::AlreadyExists);
  EXPECT_THROW(session->add_batch(incoming(batches[3], *session)), server::FailedPrecondition);
  EXPECT_EQ(services().counters.replayed_batches, 2u);
}

TEST_F(RestoreTest, AnotherClassifierIsStillRefused) {
  {
    const auto session = engine().open(open_of(0));
    send_classifier(*session, part(0));
  }
  {
    const auto session = engine().open(open_of(1));
    send_classifier(*session, part(1));
  }
  restart();
  const auto session = engine().open(open_of(1));
  Samples other = part(1);
  other.classifier->weight[0] += 1;
  EXPECT_THROW(send_classifier(*session, other), server::AlreadyExists);
  // Confirmed by rank 1, so rank 0 may not replace it any more.
  const auto first = engine().open(open_of(0));
  EXPECT_THROW(send_classifier(*first, other), server::AlreadyExists);
}

// Each in its own order: rank 1 had another one before rank 0 sent its own.
TEST_F(RestoreTest, OnlyTheLastClassifierOfARankCounts) {
  Samples older = part(1);
  older.classifier->weight[0] += 1;
  Samples without_bias = part(1);
  without_bias.classifier->bias.clear();
  {
    const auto session = engine().open(open_of(1));
    send_classifier(*session, older);
    send_classifier(*session, older);
    send_classifier(*session, without_bias);  // takes the bias with it
  }
  {
    const auto session = engine().open(open_of(0));
    for (const auto& chunk : chunks_of(*without_bias.classifier, 1000)) {
      session->add_classifier(server::incoming_part(chunk));
    }
  }
  restart();
  EXPECT_EQ(services().counters.damaged_logs, 0u);
  std::shared_ptr<const v1::Report> report;
  for (const uint32_t rank : {0u, 1u}) {
    const auto session = engine().open(open_of(rank));
    for (const auto& batch : batches_of(part(rank), kBatchRows)) {
      session->add_batch(incoming(batch, *session));
    }
    report = session->close(batches_of(part(rank), kBatchRows).size(), false).report;
  }
  ASSERT_TRUE(report);
  Samples expected = samples_;
  expected.classifier->bias.clear();
  EXPECT_EQ(difference(local_report(expected), *report, 1e-6), "");
}

// Its log must not begin with the opening of a state.
TEST_F(RestoreTest, ARankWhoseStateWasRefusedStreamsInstead) {
  v1::GetStatisticsRequest request;
  *request.mutable_key() = open_of(0, "undisturbed").key();
  StatisticsBundle bundle = engine().get_statistics(request).bundle;
  const auto put = [&](uint32_t rank) {
    server::StateUpload upload(engine(), open_of(rank));
    write_statistics(
        bundle, [&](const v1::StatisticsHeader& header) { upload.header(header); },
        [&](const v1::StatisticsBlock& block) { upload.block(block); });
    return upload.finish();
  };
  put(0);
  bundle.classifier->weight[0] += 1;
  EXPECT_THROW(put(1), server::AlreadyExists);
  {
    const auto session = engine().open(open_of(1));
    session->add_batch(incoming(batches_of(part(1), kBatchRows)[0], *session));
  }
  restart();
  EXPECT_EQ(services().counters.damaged_logs, 0u);
  EXPECT_EQ(engine().open(open_of(1))->next_sequence(), 1u);
}

// A server that was killed within the first record, or before it, has acknowledged nothing.
TEST_F(RestoreTest, WhatHadJustBegunIsNothing) {
  {
    const auto session = engine().open(open_of(0));
    session->add_batch(incoming(batches_of(part(0), kBatchRows)[0], *session));
  }
  stop();
  const auto folder = logs().at(0);
  const std::string content = read_file(folder / "rank-0.log");
  server::RecordHeader first;
  std::memcpy(&first, content.data(), sizeof(first));
  for (size_t bytes = 0; bytes <= sizeof(first) + first.body_bytes; ++bytes) {
    SCOPED_TRACE(bytes);
    std::filesystem::create_directory(folder);
    write_file(folder / "rank-0.log", content.substr(0, bytes));
    write_file(folder / "rank-1.ncstats", "a state that no record speaks of");
    start();
    const bool whole = bytes == sizeof(first) + first.body_bytes;
    EXPECT_EQ(logs().size(), whole ? 1u : 0u);
    stop();
  }
}

// Its file is of another shape than the series, be it as whole as it is.
TEST_F(RestoreTest, AStateOfAnotherShapeIsNotTaken) {
  v1::GetStatisticsRequest request;
  *request.mutable_key() = open_of(0, "undisturbed").key();
  const StatisticsBundle bundle = engine().get_statistics(request).bundle;
  {
    server::StateUpload upload(engine(), open_of(0));
    write_statistics(
        bundle, [&](const v1::StatisticsHeader& header) { upload.header(header); },
        [&](const v1::StatisticsBlock& block) { upload.block(block); });
    upload.finish();
  }
  const Samples other = make_samples(40, 3, 2, DType::kFloat32, 1);
  const v1::Open other_open = open_for(other, "other");
  send_rest(other_open, other, kBatchRows);
  *request.mutable_key() = other_open.key();
  const StatisticsBundle other_bundle = engine().get_statistics(request).bundle;
  stop();
  save_statistics(logs().at(0) / "rank-0.ncstats", other_bundle);
  EXPECT_EQ(services().counters.damaged_logs, 1u);
  EXPECT_EQ(finish_both("run"), undisturbed_);
}

TEST_F(RestoreTest, IdentitiesPredictionsAndDroppedRows) {
  Samples samples = samples_.slice(0, 60);
  samples.classifier.reset();
  samples.predictions.assign(samples.labels.begin(), samples.labels.end());
  samples.labels[5] = -100;
  samples.features[20 * samples.dim] = std::numeric_limits<double>::infinity();
  v1::Open open = open_for(samples);
  open.set_nonfinite(v1::NONFINITE_POLICY_SKIP);
  auto batches = batches_of(samples, 20);
  for (size_t b = 0; b < batches.size(); ++b) {
    std::vector<uint64_t> ids(20);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = i + 15 * b;  // five come twice
    batches[b].set_sample_ids(ids.data(), ids.size() * sizeof(uint64_t));
    batches[b].set_crc32c(checksum_of(batches[b]));
  }
  std::vector<std::string> reports;
  for (const bool disturbed : {false, true}) {
    open.mutable_key()->set_run(disturbed ? "disturbed" : "plain");
    for (size_t b = 0; b < batches.size(); ++b) {
      if (disturbed) restart();
      const auto session = engine().open(open);
      ASSERT_EQ(session->next_sequence(), b);
      session->add_batch(incoming(batches[b], *session));
    }
    if (disturbed) restart();
    const auto result = engine().open(open)->close(batches.size(), true);
    ASSERT_TRUE(result.report);
    EXPECT_TRUE(result.report->partial());
    reports.push_back(comparable(*result.report));
  }
  EXPECT_EQ(reports[0], reports[1]);
  EXPECT_THAT(reports[0], HasSubstr("duplicate_samples"));
}

TEST_F(RestoreTest, AStateOfARankIsThere) {
  v1::Open open = open_of(0);
  const auto stored = services().reports.find_statistics({"undisturbed", 0, "train", "features"});
  ASSERT_TRUE(stored);
  v1::GetStatisticsRequest request;
  *request.mutable_key() = open_of(0, "undisturbed").key();
  const StatisticsBundle bundle = engine().get_statistics(request).bundle;
  const auto put = [&](uint32_t rank) {
    server::StateUpload upload(engine(), open_of(rank));
    write_statistics(
        bundle, [&](const v1::StatisticsHeader& header) { upload.header(header); },
        [&](const v1::StatisticsBlock& block) { upload.block(block); });
    return upload.finish();
  };
  EXPECT_FALSE(put(0).report);
  const size_t memory = services().memory.used();
  restart();
  EXPECT_GT(services().memory.used(), 0u);
  EXPECT_LE(services().memory.used(), memory);
  EXPECT_FALSE(put(0).report);  // the same again
  const auto result = put(1);
  ASSERT_TRUE(result.report);
  EXPECT_EQ(result.report->data().samples(), 240u);
  EXPECT_TRUE(logs().empty());
}

TEST_F(RestoreTest, WhatWasCompleteIsReportedWithoutBeingAsked) {
  const Samples all = samples_;
  v1::Open train = open_for(all, "held");
  v1::Open test = train;
  test.mutable_key()->set_split("test");
  const auto session = engine().open(train);
  session->add_batch(incoming(batch_of(all, 0, 0, all.rows()), *session));
  EXPECT_FALSE(send_rest(test, all, 40).report);
  stop();
  limits_.lease = std::chrono::milliseconds(1);  // nobody streams train any more
  start();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (logs().size() != 1 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(logs().size(), 1u);  // that of train
  EXPECT_TRUE(report(test));
}

TEST_F(RestoreTest, LogsGoWithWhatTheyAreOf) {
  const auto begin = [&](const v1::Open& open) {
    const auto session = engine().open(open);
    session->add_batch(incoming(batches_of(part(0), kBatchRows)[0], *session));
  };
  begin(open_of(0));
  EXPECT_EQ(logs().size(), 1u);
  v1::Open higher = open_of(0);
  higher.set_attempt(1);
  begin(higher);
  EXPECT_EQ(logs().size(), 1u);
  restart();
  EXPECT_THROW(engine().open(open_of(0)), server::FailedPrecondition);  // a lower attempt
  EXPECT_EQ(engine().open(higher)->next_sequence(), 1u);
  v1::DeleteRunRequest request;
  request.set_run("run");
  engine().delete_run(request);
  EXPECT_TRUE(logs().empty());
  restart();
  EXPECT_EQ(engine().registry().size(), 0u);
}

TEST_F(RestoreTest, ALogThatOutlivedItsReportGoes) {
  const auto session = engine().open(open_of(0));
  session->add_batch(incoming(batches_of(part(0), kBatchRows)[0], *session));
  const auto aside = folder_ / "aside";
  std::filesystem::copy(logs().at(0), aside, std::filesystem::copy_options::recursive);
  EXPECT_EQ(finish_both("run"), undisturbed_);
  stop();
  std::filesystem::rename(aside, data() / "log" / "1-0");
  start();
  EXPECT_TRUE(logs().empty());
  EXPECT_EQ(engine().registry().size(), 0u);
  ASSERT_TRUE(report(open_of(0)));
  EXPECT_EQ(comparable(*report(open_of(0))), undisturbed_);
}

TEST_F(RestoreTest, WhatDoesNotFitTheBudgetAnyMoreIsSaid) {
  {
    const auto session = engine().open(open_of(0));
    session->add_batch(incoming(batches_of(part(0), kBatchRows)[0], *session));
  }
  stop();
  limits_.state_memory_bytes = 1000;
  try {
    start();
    FAIL() << "expected a refusal";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot restore run 'run'"));
    EXPECT_THAT(error.what(), HasSubstr("--state-memory"));
  }
  limits_ = {};
  start();
  EXPECT_EQ(finish_both("run"), undisturbed_);
}

}  // namespace
}  // namespace ncscope::testing
