// Devices in turns, and what is left when one is lost.
#include "server/core/device_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <future>

#include "kernels/backend.h"
#include "tests/support/failing_device.h"

namespace ncscope::testing {
namespace {

using server::DevicePool;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr auto kBatch = DevicePool::Job::kBatch;
constexpr auto kReport = DevicePool::Job::kReport;

class DevicePoolTest : public ::testing::Test {
 protected:
  DevicePoolTest() { spdlog::set_level(spdlog::level::off); }

  server::MakeDevice make() {
    return [this] {
      return std::make_unique<test::FailingDevice>(make_device(Backend::kCpu), memory_, &card_);
    };
  }
  // Why the pool refuses a job; empty if it does not.
  static std::string refusal(DevicePool& pool, DevicePool::Job job) {
    try {
      pool.run(job, [](Device&) {});
    } catch (const DeviceLost& error) {
      return error.what();
    }
    return "";
  }

  test::AllocationLimit memory_;
  test::FakeCard card_;
};

TEST_F(DevicePoolTest, ReportsLeaveADeviceToBatches) {
  DevicePool pool(make(), 2);
  std::promise<void> end;
  std::promise<void> begun;
  auto first = std::async(std::launch::async, [&] {
    pool.run(kReport, [&](Device&) {
      begun.set_value();
      end.get_future().wait();
    });
  });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] { pool.run(kReport, [](Device&) {}); });
  EXPECT_EQ(second.wait_for(milliseconds(20)), std::future_status::timeout);
  EXPECT_EQ(pool.run(kBatch, [](Device&) { return 7; }), 7);  // does not wait
  end.set_value();
  first.get();
  second.get();
}

TEST_F(DevicePoolTest, OneDeviceServesBoth) {
  DevicePool pool(make(), 1);
  pool.run(kReport, [](Device&) {});
  pool.run(kBatch, [](Device&) {});
  EXPECT_EQ(pool.info().backend, "cpu");
  EXPECT_EQ(pool.math(), Math::kExact);
}

TEST_F(DevicePoolTest, ALossThatIsThrownEndsAllWork) {
  DevicePool pool(make(), 2);
  int told = 0;
  pool.on_loss([&] { ++told; });
  EXPECT_NO_THROW(pool.require_usable());
  card_.operations_left = 0;
  try {
    pool.run(kBatch, [](Device& device) { device.allocate(8); });
    FAIL() << "the loss went unnoticed";
  } catch (const DeviceLost& error) {
    EXPECT_THAT(error.what(), HasSubstr("fell off the bus"));
    EXPECT_THAT(error.what(), HasSubstr("try again when the server has restarted"));
  }
  EXPECT_TRUE(pool.lost());
  EXPECT_THROW(pool.require_usable(), DeviceLost);
  EXPECT_THAT(refusal(pool, kBatch), HasSubstr("fell off the bus"));
  EXPECT_THAT(refusal(pool, kReport), HasSubstr("fell off the bus"));
  EXPECT_EQ(told, 1);
  pool.on_loss([&] { told += 10; });  // too late to wait for it
  EXPECT_EQ(told, 11);
}

TEST_F(DevicePoolTest, ALossThatNobodyThrewIsSeenAfterTheJob) {
  DevicePool pool(make(), 1);
  int told = 0;
  pool.on_loss([&] { ++told; });
  EXPECT_NO_THROW(pool.run(kBatch, [&](Device&) { card_.operations_left = 0; }));
  EXPECT_TRUE(pool.lost());
  EXPECT_EQ(told, 1);
  EXPECT_THAT(refusal(pool, kBatch), HasSubstr("try again when the server has restarted"));
}

TEST_F(DevicePoolTest, WhoWaitsForADeviceIsRefusedToo) {
  DevicePool pool(make(), 1);
  std::promise<void> begun;
  std::promise<void> end;
  auto holder = std::async(std::launch::async, [&] {
    pool.run(kBatch, [&](Device&) {
      begun.set_value();
      end.get_future().wait();
      card_.operations_left = 0;
    });
  });
  begun.get_future().wait();
  auto waiter = std::async(std::launch::async, [&] { return refusal(pool, kBatch); });
  EXPECT_EQ(waiter.wait_for(milliseconds(20)), std::future_status::timeout);
  end.set_value();
  holder.get();
  EXPECT_NE(waiter.get(), "");
}

TEST_F(DevicePoolTest, OtherErrorsLoseNothing) {
  DevicePool pool(make(), 1);
  EXPECT_THROW(pool.run(kBatch, [](Device&) { throw DeviceError("a launch failed"); }),
               DeviceError);
  EXPECT_FALSE(pool.lost());
  EXPECT_EQ(refusal(pool, kBatch), "");
}

}  // namespace
}  // namespace ncscope::testing
