// Reports as they are made.
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

class WatchCall {
 public:
  WatchCall(Stub& stub, const v1::WatchReportsRequest& request)
      : context_(bounded_context()), reader_(stub.WatchReports(context_.get(), request)) {
    reader_->WaitForInitialMetadata();
  }
  ~WatchCall() {
    context_->TryCancel();
    if (!finished_) finish();
  }
  std::optional<v1::Report> next() {
    v1::WatchReportsResponse response;
    if (!reader_->Read(&response)) return std::nullopt;
    return response.report();
  }
  void cancel() { context_->TryCancel(); }
  grpc::Status finish() {
    finished_ = true;
    while (next()) {
    }
    return reader_->Finish();
  }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchReportsResponse>> reader_;
  bool finished_ = false;
};

class WatchTest : public ::testing::Test {
 protected:
  v1::Report report(const std::string& run, uint32_t epoch) {
    v1::Open open = open_for(samples_, run);
    open.mutable_key()->set_epoch(epoch);
    const auto closed = stream_all(live_.stub(), open, samples_, 20);
    return closed ? closed->report() : v1::Report();
  }
  v1::WatchReportsRequest request(const std::string& run, bool existing) const {
    v1::WatchReportsRequest request;
    request.set_run(run);
    request.set_include_existing(existing);
    return request;
  }

  LiveServer live_;
  const Samples samples_ = make_samples(40, 5, 3, DType::kFloat32, 90);
};

TEST_F(WatchTest, ExistingComeFirstThenNewOnesOnceEach) {
  report("run", 0);
  report("other", 0);
  report("run", 1);
  WatchCall watch(live_.stub(), request("run", true));
  EXPECT_EQ(watch.next()->key().epoch(), 0u);
  report("run", 2);
  report("other", 1);
  report("run", 3);
  for (const uint32_t epoch : {1u, 2u, 3u}) {
    const auto seen = watch.next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->key().run(), "run");
    EXPECT_EQ(seen->key().epoch(), epoch);
    EXPECT_EQ(seen->classes_size(), 0);
  }
}

TEST_F(WatchTest, AllRunsWithClasses) {
  report("old", 0);
  v1::WatchReportsRequest all = request("", false);
  all.set_include_classes(true);
  WatchCall watch(live_.stub(), all);
  const v1::Report a = report("a", 0);
  const v1::Report b = report("b", 0);
  EXPECT_EQ(watch.next()->SerializeAsString(), a.SerializeAsString());
  EXPECT_EQ(watch.next()->SerializeAsString(), b.SerializeAsString());
}

TEST_F(WatchTest, EndsWithTheCallerAndWithTheServer) {
  {
    WatchCall watch(live_.stub(), request("run", true));
    watch.cancel();
    expect_status(watch.finish(), grpc::CANCELLED);
  }
  WatchCall watch(live_.stub(), request("run", true));
  std::thread stopper([&] { live_.server().stop(std::chrono::seconds(20), [] { return false; }); });
  expect_status(watch.finish(), grpc::UNAVAILABLE, {"shutting down"});
  stopper.join();
}

TEST_F(WatchTest, BadRunNamesAreRefused) {
  WatchCall watch(live_.stub(), request("a b", false));
  expect_status(watch.finish(), grpc::INVALID_ARGUMENT, {"'a b'"});
}

}  // namespace
}  // namespace ncscope::testing
