// Higher attempts replace lower ones.
#include <gtest/gtest.h>

#include <future>
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

  grpc::Status get(std::optional<uint32_t> attempt, bool wait, v1::Report& report) {
    v1::GetReportRequest request;
    *request.mutable_key() = open(0).key();
    request.set_wait(wait);
    if (attempt) request.set_attempt(*attempt);
    v1::GetReportResponse response;
    const auto context = bounded_context();
    const grpc::Status status = live_.stub().GetReport(context.get(), request, &response);
    report = response.report();
    return status;
  }
  grpc::Status get(std::optional<uint32_t> attempt, bool wait = false) {
    v1::Report ignored;
    return get(attempt, wait, ignored);
  }

  void delete_run() {
    v1::DeleteRunRequest request;
    request.set_run("run");
    v1::DeleteRunResponse response;
    const auto context = bounded_context();
    live_.stub().DeleteRun(context.get(), request, &response);
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

TEST_F(AttemptTest, AReportOfTheAttemptThatIsAskedFor) {
  ASSERT_TRUE(stream_all(live_.stub(), open(1), old_, 30));
  v1::Report report;
  ASSERT_TRUE(get(1, true, report).ok());
  EXPECT_EQ(report.attempt(), 1u);
  expect_status(get(2), grpc::NOT_FOUND, {"attempt 2"});
  for (const bool wait : {false, true}) {
    expect_status(get(0, wait), grpc::FAILED_PRECONDITION, {"attempt 0", "attempt 1", "reported"});
  }
  std::thread waiter([&] {  // whether it is there already or not
    v1::Report waited;
    EXPECT_TRUE(get(2, true, waited).ok());
    EXPECT_EQ(waited.attempt(), 2u);
  });
  StreamCall next(live_.stub());
  ASSERT_TRUE(next.open(open(2)));
  ASSERT_TRUE(next.batch(batch_of(new_, 0, 0, 120)));
  ASSERT_TRUE(get(1, true, report).ok()) << "it stands";
  ASSERT_TRUE(next.close(1));
  waiter.join();
}

TEST_F(AttemptTest, AWaitForALowerAttemptThanIsStreamedEnds) {
  ASSERT_TRUE(stream_all(live_.stub(), open(1), old_, 30));
  StreamCall next(live_.stub());
  ASSERT_TRUE(next.open(open(3)));
  expect_status(get(2, true), grpc::FAILED_PRECONDITION, {"attempt 2", "attempt 3", "streamed"});
}

TEST_F(AttemptTest, AWaitEndsWhereWhatWasStreamedIsDropped) {
  for (const std::optional<uint32_t> attempt : {std::optional<uint32_t>(), {1u}}) {
    auto waiter = std::async(std::launch::async, [&] { return get(attempt, true); });
    do {  // it may come late
      StreamCall stream(live_.stub());
      ASSERT_TRUE(stream.open(open(1)));
      waiter.wait_for(std::chrono::milliseconds(300));
      delete_run();
    } while (waiter.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
    expect_status(waiter.get(), grpc::ABORTED, {"run 'run' was deleted"});
  }
}

}  // namespace
}  // namespace ncscope::testing
