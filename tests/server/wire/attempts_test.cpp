// Higher attempts replace lower ones.
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

class AttemptTest : public ::testing::Test {
 protected:
  v1::Open open(uint32_t attempt) const {
    v1::Open open = open_for(old_);
    open.set_attempt(attempt);
    return open;
  }

  LiveServer live_;
  const Samples old_ = make_samples(100, 8, 4, DType::kFloat32, 50);
  const Samples new_ = make_samples(120, 8, 4, DType::kFloat32, 51);
};

TEST_F(AttemptTest, AHigherOneDropsWhatWasStreamed) {
  StreamCall old(live_.stub());
  ASSERT_TRUE(old.open(open(0)));
  ASSERT_TRUE(old.batch(batch_of(old_, 0, 0, 50)));
  const auto closed = stream_all(live_.stub(), open(2), new_, 30);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(closed->report().attempt(), 2u);
  EXPECT_EQ(difference(local_report(new_), closed->report(), 1e-15), "");
  EXPECT_FALSE(old.batch(batch_of(old_, 1, 50, 50)));
  expect_status(old.finish(), grpc::ABORTED, {"attempt 0 was dropped", "attempt 2"});
  EXPECT_EQ(live_.server().engine().services().memory.used(), 0u);
  EXPECT_EQ(live_.server().engine().services().samples.memory_used(), 0u);
}

TEST_F(AttemptTest, ALowerOneIsRefused) {
  StreamCall current(live_.stub());
  ASSERT_TRUE(current.open(open(3)));
  {
    StreamCall lower(live_.stub());
    EXPECT_FALSE(lower.open(open(2)));
    expect_status(lower.finish(), grpc::FAILED_PRECONDITION,
                  {"attempt 2", "attempt 3", "streamed"});
  }
  ASSERT_TRUE(current.batch(batch_of(old_, 0, 0, 100)));
  ASSERT_TRUE(current.close(1));
  StreamCall lower(live_.stub());
  EXPECT_FALSE(lower.open(open(2)));
  expect_status(lower.finish(), grpc::FAILED_PRECONDITION, {"attempt 2", "attempt 3", "reported"});
}

TEST_F(AttemptTest, AReportStandsUntilAHigherAttemptReports) {
  ASSERT_TRUE(stream_all(live_.stub(), open(0), old_, 30));
  StreamCall next(live_.stub());
  ASSERT_TRUE(next.open(open(1)));
  ASSERT_TRUE(next.batch(batch_of(new_, 0, 0, 120)));
  v1::Report report;
  ASSERT_TRUE(live_.get_report(open(0).key(), report).ok());
  EXPECT_EQ(report.attempt(), 0u);
  std::thread waiter([&] {  // for the attempt that is being streamed
    v1::Report waited;
    EXPECT_TRUE(live_.get_report(open(0).key(), waited, true).ok());
    EXPECT_EQ(waited.attempt(), 1u);
  });
  ASSERT_TRUE(next.close(1));
  waiter.join();
  ASSERT_TRUE(live_.get_report(open(0).key(), report).ok());
  EXPECT_EQ(report.attempt(), 1u);
  EXPECT_EQ(report.data().samples(), 120u);
}

}  // namespace
}  // namespace ncscope::testing
