// States out and in.
#include "proto/convert/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/accumulator.h"
#include "kernels/backend.h"
#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

// The messages of a GetStatistics call.
std::vector<v1::GetStatisticsResponse> get_state(Stub& stub, const v1::SeriesKey& key,
                                                 grpc::Status* status = nullptr) {
  v1::GetStatisticsRequest request;
  *request.mutable_key() = key;
  const auto context = bounded_context();
  const auto reader = stub.GetStatistics(context.get(), request);
  std::vector<v1::GetStatisticsResponse> parts;
  v1::GetStatisticsResponse part;
  while (reader->Read(&part)) parts.push_back(part);
  const grpc::Status ended = reader->Finish();
  if (status != nullptr) {
    *status = ended;
  } else {
    EXPECT_TRUE(ended.ok()) << ended.error_message();
  }
  return parts;
}

grpc::Status put_state(Stub& stub, const v1::Open& open,
                       const std::vector<v1::GetStatisticsResponse>& parts,
                       v1::Closed* closed = nullptr) {
  v1::PutStatisticsResponse response;
  const auto context = bounded_context();
  const auto writer = stub.PutStatistics(context.get(), &response);
  v1::PutStatisticsRequest request;
  *request.mutable_open() = open;
  writer->Write(request);
  for (const auto& part : parts) {
    if (part.has_header()) {
      *request.mutable_header() = part.header();
    } else {
      *request.mutable_block() = part.block();
    }
    writer->Write(request);
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (closed != nullptr) *closed = response.closed();
  return status;
}

// A report without what a state cannot know: decisions.
v1::Report without_decisions(v1::Report report) {
  report.clear_nc4();
  v1::ClassGroups& groups = *report.mutable_class_groups();
  for (v1::ClassGroup* group :
       {groups.mutable_head(), groups.mutable_mid(), groups.mutable_tail()}) {
    group->clear_agreement();
    group->clear_ncc_accuracy();
    group->clear_classifier_accuracy();
  }
  for (v1::ClassReport& entry : *report.mutable_classes()) {
    entry.clear_agreement();
    entry.clear_ncc_accuracy();
    entry.clear_classifier_accuracy();
  }
  auto& undefined = *report.mutable_undefined();
  for (int i = undefined.size() - 1; i >= 0; --i) {
    const std::string& metric = undefined[i].metric();
    if (metric.starts_with("nc4") || metric.starts_with("classes")) undefined.DeleteSubrange(i, 1);
  }
  return report;
}

class StatisticsTest : public ::testing::Test {
 protected:
  StatisticsTest()
      : samples_(make_samples(300, 9, 5, DType::kFloat64, 70)), open_(open_for(samples_)) {}

  // The state of some samples, by way of a series of its own.
  std::vector<v1::GetStatisticsResponse> state_of(const Samples& samples) {
    const v1::Open open = open_for(samples, "part." + std::to_string(parts_++));
    EXPECT_TRUE(stream_all(live_.stub(), open, samples, 64));
    return get_state(live_.stub(), open.key());
  }

  LiveServer live_;
  const Samples samples_;
  v1::Open open_;
  int parts_ = 0;
};

TEST_F(StatisticsTest, AStateStandsForItsSamples) {
  const auto whole = stream_all(live_.stub(), open_, samples_, 64);
  ASSERT_TRUE(whole);
  const auto state = get_state(live_.stub(), open_.key());
  ASSERT_FALSE(state.empty());
  EXPECT_EQ(state[0].header().key().run(), "run");
  EXPECT_EQ(state[0].header().samples(), 300u);
  EXPECT_TRUE(state[0].header().has_classifier_bias());
  v1::Open other = open_for(samples_, "other");
  other.clear_data_type();
  other.clear_label_type();
  v1::Closed closed;
  ASSERT_TRUE(put_state(live_.stub(), other, state, &closed).ok());
  ASSERT_TRUE(closed.has_report());
  EXPECT_EQ(
      difference(without_decisions(whole->report()), without_decisions(closed.report()), 1e-15),
      "");
  EXPECT_FALSE(closed.report().has_nc4());
  std::vector<std::string> reasons;
  for (const auto& undefined : closed.report().undefined()) {
    if (undefined.metric().starts_with("nc4")) reasons.push_back(undefined.reason());
  }
  EXPECT_THAT(reasons, ::testing::ElementsAre(::testing::HasSubstr("no samples to decide")));
}

TEST_F(StatisticsTest, SevenStatesMergeToTheSameNumbers) {
  const auto whole = stream_all(live_.stub(), open_, samples_, 64);
  ASSERT_TRUE(whole);
  v1::Open open = open_for(samples_, "merged");
  open.set_world_size(7);
  v1::Closed closed;
  for (uint32_t rank = 0; rank < 7; ++rank) {
    const size_t first = 300 * rank / 7;
    const Samples part = samples_.slice(first, 300 * (rank + 1) / 7 - first);
    open.set_rank(rank);
    ASSERT_TRUE(put_state(live_.stub(), open, state_of(part), &closed).ok());
    EXPECT_EQ(closed.closed_ranks(), rank + 1);
  }
  ASSERT_TRUE(closed.has_report());
  EXPECT_EQ(
      difference(without_decisions(whole->report()), without_decisions(closed.report()), 1e-10),
      "");
}

TEST_F(StatisticsTest, AStateAndAStreamMakeOneReport) {
  const auto whole = stream_all(live_.stub(), open_, samples_, 64);
  ASSERT_TRUE(whole);
  v1::Open open = open_for(samples_, "mixed");
  open.set_world_size(2);
  ASSERT_TRUE(put_state(live_.stub(), open, state_of(samples_.slice(0, 100))).ok());
  open.set_rank(1);
  const auto closed = stream_all(live_.stub(), open, samples_.slice(100, 200), 64);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(
      difference(without_decisions(whole->report()), without_decisions(closed->report()), 1e-10),
      "");
  EXPECT_FALSE(closed->report().has_nc4());
}

TEST_F(StatisticsTest, TheSameStateAgainChangesNothing) {
  open_.set_world_size(2);
  const auto state = state_of(samples_);
  const auto other = state_of(samples_.slice(0, 50));
  v1::Closed closed;
  ASSERT_TRUE(put_state(live_.stub(), open_, state).ok());
  ASSERT_TRUE(put_state(live_.stub(), open_, state, &closed).ok());
  EXPECT_EQ(closed.closed_ranks(), 1u);
  expect_status(put_state(live_.stub(), open_, other), grpc::ALREADY_EXISTS, {"rank 0"});
  open_.set_rank(1);
  ASSERT_TRUE(put_state(live_.stub(), open_, other, &closed).ok());
  ASSERT_TRUE(closed.has_report());
  v1::Closed again;  // after the report
  ASSERT_TRUE(put_state(live_.stub(), open_, other, &again).ok());
  EXPECT_EQ(again.SerializeAsString(), closed.SerializeAsString());
  expect_status(put_state(live_.stub(), open_, state), grpc::ALREADY_EXISTS,
                {"reported", "attempt 1"});
}

TEST_F(StatisticsTest, ARankIsEitherStreamedOrAState) {
  const auto state = state_of(samples_);
  open_.set_world_size(2);
  ASSERT_TRUE(stream_all(live_.stub(), open_, samples_, 64));
  expect_status(put_state(live_.stub(), open_, state), grpc::ALREADY_EXISTS, {"streams samples"});
  open_.set_rank(1);
  ASSERT_TRUE(put_state(live_.stub(), open_, state).ok());
}

TEST_F(StatisticsTest, ARefusedStateEndsNoStreamAndLeavesNoClassifier) {
  open_.set_world_size(2);
  ASSERT_TRUE(stream_all(live_.stub(), open_, samples_.slice(0, 150), 64));
  v1::Open second = open_;
  second.set_rank(1);
  StreamCall call(live_.stub());
  ASSERT_TRUE(call.open(second));
  Samples other = samples_.slice(150, 150);
  other.classifier->bias[0] += 1;
  expect_status(put_state(live_.stub(), second, state_of(other)), grpc::ALREADY_EXISTS,
                {"classifier bias"});
  ASSERT_TRUE(call.batch(batch_of(samples_, 0, 150, 150)));
  const auto closed = call.close(1);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(
      difference(live_.undisturbed(samples_, open_for(samples_), 150), closed->report(), 1e-10),
      "");
}

TEST_F(StatisticsTest, WrongStatesAreRefusedAndLeaveNothing) {
  const auto state = state_of(samples_);
  v1::Open open = open_;
  open.set_dim(8);
  expect_status(put_state(live_.stub(), open, state), grpc::INVALID_ARGUMENT, {"d = 8", "got 9"});
  auto bad = state;
  bad[3].mutable_block()->mutable_data()->at(5) ^= 1;
  expect_status(put_state(live_.stub(), open_, bad), grpc::DATA_LOSS, {"checksum"});
  bad = state;
  bad.pop_back();
  expect_status(put_state(live_.stub(), open_, bad), grpc::INVALID_ARGUMENT,
                {"expected 5 elements"});
  bad = state;
  bad.erase(bad.begin());
  expect_status(put_state(live_.stub(), open_, bad), grpc::FAILED_PRECONDITION, {"header"});
  bad = state;
  bad.insert(bad.begin(), state[0]);
  expect_status(put_state(live_.stub(), open_, bad), grpc::FAILED_PRECONDITION, {"second header"});
  expect_status(put_state(live_.stub(), open_, {}), grpc::FAILED_PRECONDITION, {"header"});
  EXPECT_EQ(live_.server().engine().registry().size(), 0u);
  EXPECT_EQ(live_.server().engine().services().memory.used(), 0u);
  v1::Closed closed;
  ASSERT_TRUE(put_state(live_.stub(), open_, state, &closed).ok());
  EXPECT_TRUE(closed.has_report());
}

TEST_F(StatisticsTest, AnEmptyStateIsNoReport) {
  const auto device = make_device(Backend::kCpu);
  const Statistics empty = Statistics::empty(5, 9, DType::kFloat64);
  std::vector<v1::GetStatisticsResponse> parts;
  write_statistics(
      {{}, empty, std::nullopt},
      [&](const auto& header) { *parts.emplace_back().mutable_header() = header; },
      [&](const auto& block) { *parts.emplace_back().mutable_block() = block; });
  expect_status(put_state(live_.stub(), open_, parts), grpc::FAILED_PRECONDITION, {"N = 0"});
  ASSERT_TRUE(stream_all(live_.stub(), open_, samples_, 64));
}

TEST_F(StatisticsTest, OnlyTheEpochReportedLastIsKept) {
  for (uint32_t epoch : {0u, 1u}) {
    open_.mutable_key()->set_epoch(epoch);
    ASSERT_TRUE(stream_all(live_.stub(), open_, samples_, 64));
  }
  EXPECT_FALSE(get_state(live_.stub(), open_.key()).empty());
  grpc::Status status;
  open_.mutable_key()->set_epoch(0);
  get_state(live_.stub(), open_.key(), &status);
  expect_status(status, grpc::NOT_FOUND, {"reported last", "epoch 1"});
  open_.mutable_key()->set_epoch(9);
  get_state(live_.stub(), open_.key(), &status);
  expect_status(status, grpc::NOT_FOUND, {"no report"});
  const std::filesystem::directory_iterator files(live_.folder() / "data" / "statistics");
  EXPECT_EQ(std::distance(files, std::filesystem::directory_iterator()), 1);
}

}  // namespace
}  // namespace ncscope::testing
