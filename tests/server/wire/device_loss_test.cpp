// What clients see of a server whose device is lost, until it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>

#include "kernels/backend.h"
#include "tests/server/live_server.h"
#include "tests/support/failing_device.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

class DeviceLoss : public ::testing::Test {
 protected:
  DeviceLoss() {
    server::ServerHooks hooks;
    hooks.make_device = [this] {
      return std::make_unique<test::FailingDevice>(make_device(Backend::kCpu), memory_, &card_);
    };
    hooks.on_device_lost = [this] { ++told_; };
    live_.emplace([](server::ServerOptions& o) { o.http = "127.0.0.1:0"; }, hooks);
  }

  httplib::Client http() { return httplib::Client("http://" + live_->server().http_address()); }

  void expect_unhealthy() {
    EXPECT_EQ(told_, 1);
    EXPECT_EQ(health(live_->server().grpc_address()), 2);
    const auto answer = http().Get("/healthz");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 503);
    EXPECT_EQ(answer->body, "device lost\n");
  }

  test::AllocationLimit memory_;
  test::FakeCard card_{.memory_bytes = size_t{1} << 30};
  std::atomic<int> told_{0};
  std::optional<LiveServer> live_;
  const Samples samples_ = make_samples(90, 5, 3, DType::kFloat32, 1);
};

TEST_F(DeviceLoss, InABatchIsUnavailableAndStoredReportsAreServed) {
  const v1::Open before = open_for(samples_, "before");
  const auto stored = stream_all(live_->stub(), before, samples_, 30);
  ASSERT_TRUE(stored && stored->has_report());
  EXPECT_EQ(health(live_->server().grpc_address()), 1);
  StreamCall call(live_->stub());
  StreamCall other(live_->stub());
  ASSERT_TRUE(call.open(open_for(samples_, "during")));
  ASSERT_TRUE(other.open(open_for(samples_, "other")));
  ASSERT_TRUE(call.batch(batch_of(samples_, 0, 0, 30)));

  card_.operations_left = 0;
  EXPECT_FALSE(call.batch(batch_of(samples_, 1, 30, 30)));
  expect_status(call.finish(), grpc::UNAVAILABLE, {"fell off the bus", "has restarted"});
  expect_unhealthy();
  EXPECT_FALSE(other.batch(batch_of(samples_, 0, 0, 30)));
  expect_status(other.finish(), grpc::UNAVAILABLE, {"fell off the bus", "has restarted"});
  StreamCall late(live_->stub());
  EXPECT_FALSE(late.open(open_for(samples_, "late")));
  expect_status(late.finish(), grpc::UNAVAILABLE, {"has restarted"});

  v1::Report report;
  EXPECT_TRUE(live_->get_report(before.key(), report).ok());
  EXPECT_EQ(report.SerializeAsString(), stored->report().SerializeAsString());
  live_->server().stop(std::chrono::milliseconds(0), [] { return false; });
  EXPECT_EQ(told_, 1);
}

TEST_F(DeviceLoss, InAReportIsUnavailable) {
  StreamCall call(live_->stub());
  ASSERT_TRUE(call.open(open_for(samples_)));
  ASSERT_TRUE(call.batch(batch_of(samples_, 0, 0, 90)));
  card_.operations_left = 5;
  EXPECT_FALSE(call.close(1));
  expect_status(call.finish(), grpc::UNAVAILABLE, {"fell off the bus", "has restarted"});
  expect_unhealthy();
}

TEST_F(DeviceLoss, MemoryOfTheCardIsInTheMetrics) {
  StreamCall call(live_->stub());
  ASSERT_TRUE(call.open(open_for(samples_)));
  const auto metrics = http().Get("/metrics");
  ASSERT_TRUE(metrics);
  const size_t used = live_->server().engine().services().device_memory.used();
  EXPECT_GT(used, 0u);
  EXPECT_THAT(metrics->body, HasSubstr("ncscope_device_memory_bytes " + std::to_string(used)));
  EXPECT_THAT(metrics->body, HasSubstr("ncscope_device_memory_limit_bytes 536870912"));
  EXPECT_THAT(metrics->body, HasSubstr("ncscope_state_memory_bytes 0"));
  EXPECT_THAT(metrics->body, HasSubstr("math=\"exact\""));
}

}  // namespace
}  // namespace ncscope::testing
