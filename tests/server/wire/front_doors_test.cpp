// Health, reflection, HTTP, and how a server ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "server/core/errors.h"
#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

TEST(FrontDoors, HealthServiceServes) {
  LiveServer live;
  EXPECT_EQ(health(live.server().grpc_address()), 1);
}

TEST(FrontDoors, ReflectionNamesTheService) {
  LiveServer live;
  // ServerReflectionRequest.list_services = "*"
  const auto answer =
      call_by_name(live.server().grpc_address(),
                   "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  ASSERT_TRUE(answer);
  EXPECT_THAT(*answer, HasSubstr("ncscope.v1.NeuralCollapseService"));
  EXPECT_THAT(*answer, HasSubstr("grpc.health.v1.Health"));
}

TEST(FrontDoors, HttpTellsHealthAndCounters) {
  LiveServer live([](server::ServerOptions& o) { o.http = "127.0.0.1:0"; });
  const Samples samples = make_samples(90, 5, 3, DType::kFloat32, 1);
  ASSERT_TRUE(stream_all(live.stub(), open_for(samples), samples, 30));
  httplib::Client http("http://" + live.server().http_address());
  const auto health = http.Get("/healthz");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 200);
  EXPECT_EQ(health->body, "ok\n");
  const auto metrics = http.Get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_EQ(metrics->status, 200);
  for (const char* line :
       {"ncscope_batches_total 3", "ncscope_samples_total 90", "ncscope_reports_total 1",
        "ncscope_open_series 0", "ncscope_held_series 0", "ncscope_sample_memory_bytes 0",
        "ncscope_waiting_streams 0", "ncscope_receive_memory_bytes 0",
        "ncscope_receive_memory_limit_bytes 536870912", "ncscope_refused_connections_total 0",
        "# TYPE ncscope_received_bytes_total counter", "# TYPE ncscope_open_series gauge"}) {
    EXPECT_THAT(metrics->body, HasSubstr(line));
  }
  EXPECT_EQ(http.Get("/else")->status, 404);
}

TEST(FrontDoors, AUsedPortIsAnError) {
  LiveServer live([](server::ServerOptions& o) { o.http = "127.0.0.1:0"; });
  TemporaryFolder folder;
  for (const bool grpc : {true, false}) {
    server::ServerOptions options = test_options(folder / "data");
    (grpc ? options.listen : options.http) =
        grpc ? live.server().grpc_address() : live.server().http_address();
    try {
      server::Server second(options);
      FAIL() << "two servers on one port";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot listen on 127.0.0.1:"));
    }
  }
}

TEST(FrontDoors, TwoServersDoNotShareAFolder) {
  LiveServer live;
  try {
    server::Server second(test_options(live.folder() / "data"));
    FAIL() << "two servers on one folder";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("another ncscope-server uses it"));
  }
}

TEST(Shutdown, OpenStreamsMayEnd) {
  LiveServer live([](server::ServerOptions& o) { o.http = "127.0.0.1:0"; });
  const Samples samples = make_samples(90, 5, 3, DType::kFloat32, 1);
  StreamCall call(live.stub());
  ASSERT_TRUE(call.open(open_for(samples)));
  ASSERT_TRUE(call.batch(batch_of(samples, 0, 0, 30)));
  std::thread stopper([&] { live.server().stop(std::chrono::seconds(50), [] { return false; }); });
  while (!live.server().engine().draining()) std::this_thread::yield();
  EXPECT_EQ(health(live.server().grpc_address()), 2);
  httplib::Client http("http://" + live.server().http_address());
  EXPECT_EQ(http.Get("/healthz")->status, 503);
  StreamCall late(live.stub());
  EXPECT_FALSE(late.open(open_for(samples, "late")));
  expect_status(late.finish(), grpc::UNAVAILABLE, {"shutting down"});
  ASSERT_TRUE(call.batch(batch_of(samples, 1, 30, 60)));
  const auto closed = call.close(2);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_TRUE(call.finish().ok());
  stopper.join();
}

TEST(Shutdown, StreamsThatDoNotEndAreCancelled) {
  LiveServer live;
  const Samples samples = make_samples(30, 5, 3, DType::kFloat32, 1);
  StreamCall call(live.stub());
  ASSERT_TRUE(call.open(open_for(samples)));
  live.server().stop(std::chrono::milliseconds(50), [] { return false; });
  EXPECT_FALSE(call.finish().ok());
}

TEST(Shutdown, WaitersEndWithTheServer) {
  LiveServer live;
  std::thread stopper;
  v1::Report report;
  v1::SeriesKey key;
  key.set_run("never");
  stopper =
      std::thread([&] { live.server().stop(std::chrono::seconds(50), [] { return false; }); });
  EXPECT_FALSE(live.get_report(key, report, true).ok());
  stopper.join();
}

}  // namespace
}  // namespace ncscope::testing
