// Streams that break off, repeat themselves or come in the wrong order.
#include <gtest/gtest.h>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

class ResumeTest : public ::testing::Test {
 protected:
  ResumeTest()
      : samples_(make_samples(200, 10, 5, DType::kFloat32, 40)),
        open_(open_for(samples_)),
        batches_(batches_of(samples_, 50)) {}

  // Streams what is missing and closes; the report must be the undisturbed one.
  void finish_undisturbed(uint64_t expected_next) {
    StreamCall call(live_.stub());
    const auto opened = call.open(open_);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->next_sequence(), expected_next);
    for (uint64_t i = expected_next; i < batches_.size(); ++i) ASSERT_TRUE(call.batch(batches_[i]));
    for (const auto& chunk : chunks_of(*samples_.classifier, 1000)) call.chunk(chunk);
    const auto closed = call.close(batches_.size());
    ASSERT_TRUE(closed && closed->has_report());
    EXPECT_EQ(comparable(closed->report()), comparable(live_.undisturbed(samples_, open_, 50)));
  }

  LiveServer live_;
  const Samples samples_;
  v1::Open open_;
  const std::vector<v1::Batch> batches_;
};

TEST_F(ResumeTest, AfterALostConnection) {
  {
    StreamCall call(live_.stub());
    ASSERT_TRUE(call.open(open_));
    ASSERT_TRUE(call.batch(batches_[0]));
    ASSERT_TRUE(call.batch(batches_[1]));
    call.cancel();
    expect_status(call.finish(), grpc::CANCELLED);
  }
  finish_undisturbed(2);
}

TEST_F(ResumeTest, AfterTheEndOfACallWithoutClose) {
  StreamCall call(live_.stub());
  ASSERT_TRUE(call.open(open_));
  ASSERT_TRUE(call.batch(batches_[0]));
  expect_status(call.finish(), grpc::FAILED_PRECONDITION, {"expected Close", "batch 1"});
  finish_undisturbed(1);
}

TEST_F(ResumeTest, AcknowledgesWhatItReceivedBeforeWithoutApplyingIt) {
  StreamCall call(live_.stub());
  ASSERT_TRUE(call.open(open_));
  const auto first = call.batch(batches_[0]);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->received_sequence(), 0u);
  EXPECT_TRUE(first->has_durable_sequence());
  EXPECT_EQ(first->durable_sequence(), 0u);
  ASSERT_TRUE(call.batch(batches_[1]));
  v1::Batch repeated = batches_[0];
  repeated.set_crc32c(checksum_of(repeated));
  const auto again = call.batch(repeated);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->received_sequence(), 1u);
  call.cancel();
  call.finish();
  finish_undisturbed(2);
  EXPECT_EQ(live_.server().engine().services().counters.duplicate_batches, 1u);
}

TEST_F(ResumeTest, RefusesOtherContentUnderAReceivedNumber) {
  StreamCall call(live_.stub());
  ASSERT_TRUE(call.open(open_));
  ASSERT_TRUE(call.batch(batches_[0]));
  v1::Batch other = batches_[1];
  other.set_sequence(0);
  EXPECT_FALSE(call.batch(other));
  expect_status(call.finish(), grpc::ALREADY_EXISTS, {"Batch 0", "other content", "attempt"});
  finish_undisturbed(1);
}

// It may wait for an answer that would never come.
TEST_F(ResumeTest, AnOlderStreamThatSendsNothingIsToldToo) {
  StreamCall old(live_.stub());
  ASSERT_TRUE(old.open(open_));
  ASSERT_TRUE(old.batch(batches_[0]));
  StreamCall newer(live_.stub());
  ASSERT_TRUE(newer.open(open_));
  expect_status(old.wait_for_end(), grpc::ABORTED, {"newer stream", "took over"});
  v1::Open higher = open_;
  higher.set_attempt(open_.attempt() + 1);
  StreamCall highest(live_.stub());
  ASSERT_TRUE(highest.open(higher));
  expect_status(newer.wait_for_end(), grpc::ABORTED, {"attempt"});
}

TEST_F(ResumeTest, TheNewerStreamTakesOver) {
  StreamCall old(live_.stub());
  ASSERT_TRUE(old.open(open_));
  ASSERT_TRUE(old.batch(batches_[0]));
  StreamCall newer(live_.stub());
  const auto opened = newer.open(open_);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 1u);
  ASSERT_TRUE(newer.batch(batches_[1]));
  EXPECT_FALSE(old.batch(batches_[2]));
  expect_status(old.finish(), grpc::ABORTED, {"newer stream", "took over"});
  newer.cancel();
  newer.finish();
  finish_undisturbed(2);
}

TEST_F(ResumeTest, ClosesOnlyWithTheRightCount) {
  for (const uint64_t count : {uint64_t{1}, uint64_t{3}}) {
    StreamCall call(live_.stub());
    const auto opened = call.open(open_);
    ASSERT_TRUE(opened);
    for (uint64_t i = opened->next_sequence(); i < 2; ++i) ASSERT_TRUE(call.batch(batches_[i]));
    EXPECT_FALSE(call.close(count));
    expect_status(call.finish(), grpc::FAILED_PRECONDITION,
                  {"expected 2 batches", "got " + std::to_string(count)});
  }
  finish_undisturbed(2);
}

TEST_F(ResumeTest, ARepeatedCloseGetsTheSameAnswer) {
  open_.set_world_size(2);
  ASSERT_TRUE(stream_all(live_.stub(), open_, samples_, 50));
  {  // before the report
    StreamCall call(live_.stub());
    const auto opened = call.open(open_);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->next_sequence(), 4u);
    EXPECT_TRUE(call.batch(batches_[3]));
    for (const auto& chunk : chunks_of(*samples_.classifier, 11)) call.chunk(chunk);
    const auto closed = call.close(4);
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->closed_ranks(), 1u);
    EXPECT_FALSE(closed->has_report());
  }
  {  // but another classifier is none
    StreamCall call(live_.stub());
    ASSERT_TRUE(call.open(open_));
    Classifier other = *samples_.classifier;
    other.bias[1] += 1;
    for (const auto& chunk : chunks_of(other, 1000)) call.chunk(chunk);
    EXPECT_FALSE(call.close(4));
    expect_status(call.finish(), grpc::ALREADY_EXISTS, {"bias", "rank 0"});
  }
  {  // and nothing more is taken
    StreamCall call(live_.stub());
    ASSERT_TRUE(call.open(open_));
    v1::Batch more = batches_[0];
    more.set_sequence(4);
    EXPECT_FALSE(call.batch(more));
    expect_status(call.finish(), grpc::FAILED_PRECONDITION, {"rank 0 has closed after 4 batches"});
  }
  v1::Open second = open_;
  second.set_rank(1);
  const auto last = stream_all(live_.stub(), second, samples_, 50);
  ASSERT_TRUE(last && last->has_report());
  // After the report: what was sent may be repeated, by either rank.
  for (const v1::Open& open : {open_, second}) {
    StreamCall call(live_.stub());
    const auto opened = call.open(open);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->next_sequence(), 4u);
    EXPECT_TRUE(call.batch(batches_[2]));
    for (const auto& chunk : chunks_of(*samples_.classifier, 11)) call.chunk(chunk);
    const auto closed = call.close(4);
    ASSERT_TRUE(closed && closed->has_report());
    EXPECT_EQ(closed->report().SerializeAsString(), last->report().SerializeAsString());
    EXPECT_TRUE(call.finish().ok());
  }
}

TEST_F(ResumeTest, AReportedSeriesTakesNothingNew) {
  ASSERT_TRUE(stream_all(live_.stub(), open_, samples_, 50));
  {  // damaged on its way: the same again may be sent
    StreamCall call(live_.stub());
    EXPECT_TRUE(call.open(open_));
    v1::Batch damaged = batches_[0];
    damaged.set_crc32c(checksum_of(damaged) ^ 1);
    EXPECT_FALSE(call.batch(damaged));
    expect_status(call.finish(), grpc::DATA_LOSS, {"CRC-32C"});
  }
  const auto refused = [&](const std::function<void(StreamCall&)>& send) {
    StreamCall call(live_.stub());
    EXPECT_TRUE(call.open(open_));
    send(call);
    expect_status(call.finish(), grpc::ALREADY_EXISTS, {"reported", "attempt 1"});
  };
  refused([&](StreamCall& call) {
    v1::Batch more = batches_[0];
    more.set_sequence(4);
    EXPECT_FALSE(call.batch(more));
  });
  refused([&](StreamCall& call) {
    v1::Batch other = batches_[1];
    other.set_sequence(0);
    EXPECT_FALSE(call.batch(other));
  });
  refused([&](StreamCall& call) {
    Classifier other = *samples_.classifier;
    other.weight[3] += 1;
    for (const auto& chunk : chunks_of(other, 1000)) call.chunk(chunk);
    EXPECT_FALSE(call.close(4));
  });
  StreamCall call(live_.stub());
  ASSERT_TRUE(call.open(open_));
  EXPECT_FALSE(call.close(3));
  expect_status(call.finish(), grpc::FAILED_PRECONDITION, {"expected 4 batches", "got 3"});
}

TEST_F(ResumeTest, MessagesInTheWrongPlaceAreRefused) {
  {
    StreamCall call(live_.stub());
    EXPECT_FALSE(call.batch(batches_[0]));
    expect_status(call.finish(), grpc::FAILED_PRECONDITION, {"expected Open"});
  }
  {
    StreamCall call(live_.stub());
    expect_status(call.finish(), grpc::FAILED_PRECONDITION, {"expected Open"});
  }
  {
    StreamCall call(live_.stub());
    ASSERT_TRUE(call.open(open_));
    EXPECT_FALSE(call.open(open_));
    expect_status(call.finish(), grpc::FAILED_PRECONDITION, {"second Open"});
  }
  {
    StreamCall call(live_.stub());
    ASSERT_TRUE(call.open(open_));
    call.write(v1::StreamRequest());
    expect_status(call.finish(), grpc::INVALID_ARGUMENT, {"empty message"});
  }
  finish_undisturbed(0);
}

}  // namespace
}  // namespace ncscope::testing
