// The client library against the real server.
#include "client/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>

#include "client/measure/local.h"
#include "client/measure/remote.h"
#include "kernels/backend.h"
#include "tests/client/cli/cli.h"
#include "tests/client/rpc/scripted_server.h"

namespace ncscope::client {
namespace {

using testing::ServerProcess;
using testing::TemporaryFolder;

files::SampleSources cluster_file(const TemporaryFolder& folder, size_t rows, size_t dim) {
  const auto samples = test::make_clusters({rows, dim, 5, DType::kFloat64, 0.2, 1, 3});
  auto entries = testing::sample_entries(samples, 0, rows);
  for (auto& entry : testing::classifier_entries(samples)) entries.push_back(std::move(entry));
  testing::write_zip(folder / "x.npz", entries);
  files::SampleSources sources;
  sources.files = {folder / "x.npz"};
  return sources;
}

measure::MeasureOptions named(const std::string& run) {
  measure::MeasureOptions options;
  options.key.set_run(run);
  options.key.set_split("train");
  options.key.set_layer("features");
  return options;
}

TEST(ClientWithServer, StatesOfTwoRanksGiveTheReportOfTheWhole) {
  const TemporaryFolder folder;
  ServerProcess server(testing::server_program());
  Client client(server.address());
  EXPECT_TRUE(client.healthy());
  const auto device = make_device(Backend::kCpu);
  const files::SampleSet set(cluster_file(folder, 200, 6));
  const StatisticsBundle bundle = measure::local_statistics(*device, set, named("states"));

  v1::Open open;
  *open.mutable_key() = named("states").key;
  open.set_world_size(2);
  open.set_num_classes(5);
  open.set_dim(6);
  EXPECT_FALSE(client.put_statistics(open, bundle).has_report());
  open.set_rank(1);
  const v1::Closed closed = client.put_statistics(open, bundle);
  EXPECT_EQ(closed.report().data().samples(), 400u);
  EXPECT_EQ(closed.report().world_size(), 2u);

  const StatisticsBundle merged = client.statistics(open.key());
  EXPECT_EQ(merged.statistics.samples, 400u);
  EXPECT_EQ(merged.statistics.classes, bundle.statistics.classes);
  ASSERT_TRUE(merged.classifier);
  EXPECT_EQ(merged.classifier->weight, bundle.classifier->weight);

  const v1::Report report = client.report(open.key());
  EXPECT_EQ(report.nc1().pinv(), closed.report().nc1().pinv());
  EXPECT_EQ(client.report(open.key(), std::chrono::milliseconds(0), true).classes_size(), 0);
  EXPECT_EQ(server.stop(), 0) << server.log();
}

// The code of the ServerError that a call throws, or OK.
std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const ServerError& error) {
    EXPECT_NE(error.text(), "");
    return error.code();
  }
  return "OK";
}

TEST(ClientWithServer, DecisionsOfAStateGiveItsNc4) {
  const TemporaryFolder folder;
  ServerProcess server(testing::server_program());
  Client client(server.address());
  const auto device = make_device(Backend::kCpu);
  const files::SampleSet set(cluster_file(folder, 200, 6));
  StatisticsBundle bundle = measure::local_statistics(*device, set, named("decided"));
  const auto& counts = bundle.statistics.counts;
  bundle.decisions = CountedDecisions{3, counts, counts, counts};
  v1::Open open;
  *open.mutable_key() = named("decided").key;
  open.mutable_key()->set_epoch(4);
  open.set_num_classes(5);
  open.set_dim(6);
  const v1::Report report = client.put_statistics(open, bundle).report();
  EXPECT_EQ(report.nc4().agreement(), 1);
  EXPECT_EQ(report.nc4().centers().epoch(), 3u);
  EXPECT_FALSE(client.statistics(open.key()).decisions);
  bundle.decisions->agreement[0] = counts[0] + 1;
  open.set_attempt(1);
  EXPECT_EQ(code_of([&] { client.put_statistics(open, bundle); }), "INVALID_ARGUMENT");
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST(ClientWithServer, ErrorsCarryTheServersTextAndCode) {
  ServerProcess server(testing::server_program());
  Client client(server.address());
  v1::SeriesKey key;
  key.set_run("unheard-of");
  EXPECT_EQ(code_of([&] { client.report(key); }), "NOT_FOUND");
  EXPECT_EQ(code_of([&] { client.report(key, std::chrono::milliseconds(50)); }),
            "DEADLINE_EXCEEDED");
  EXPECT_EQ(code_of([&] { client.statistics(key); }), "NOT_FOUND");
  EXPECT_EQ(code_of([&] { client.delete_run("unheard-of"); }), "NOT_FOUND");
  EXPECT_EQ(code_of([&] { client.delete_run("no/such name"); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { client.open(v1::Open()); }), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of([&] { client.put_statistics(v1::Open(), {}); }), "INVALID_ARGUMENT");
  EXPECT_EQ(server.stop(), 0) << server.log();
}

TEST(ClientWithServer, AServerThatHangsIsNoticedHoweverLongACallWasQuiet) {
  ServerProcess server(testing::server_program());
  ClientOptions options;
  options.keepalive_interval = std::chrono::milliseconds(1000);
  options.keepalive_timeout = std::chrono::milliseconds(500);
  Client client(server.address(), options);
  auto watch = std::async(std::launch::async, [&]() -> std::string {
    try {
      client.watch({}, [](const v1::Report&) { return true; });
    } catch (const ServerError& error) {
      return error.code();
    }
    return "OK";
  });
  // Through more pings than gRPC sends in silence unless told otherwise.
  EXPECT_EQ(watch.wait_for(std::chrono::milliseconds(2600)), std::future_status::timeout);
  server.freeze();
  EXPECT_EQ(watch.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  server.kill();
  EXPECT_EQ(watch.get(), "UNAVAILABLE");
}

TEST(ClientWithServer, AFileIsStreamedToItsEndThroughACrashOfTheServer) {
  const TemporaryFolder folder;
  ServerProcess server(testing::server_program());
  Client client(server.address());
  const files::SampleSet set(cluster_file(folder, 20'000, 64));  // 10 MB: 10 batches
  bool crashed = false;
  const v1::Report remote =
      measure::remote_report(client, set, named("crash"), [&](uint64_t samples) {
        if (crashed || samples < set.samples() / 2) return;
        crashed = true;
        server.kill();
        server.start();
      });
  EXPECT_TRUE(crashed);
  const auto device = make_device(Backend::kCpu);
  testing::expect_same_numbers(measure::local_report(*device, set, named("crash")), remote, 1e-10);
  EXPECT_EQ(server.stop(), 0) << server.log();
}

// As one whose card is lost over the report each time. The client keeps few of the batches.
TEST(ClientOfScript, AFileIsNotStreamedForEverToAServerThatIsLostOverIt) {
  const TemporaryFolder folder;
  testing::ScriptedServer server;
  testing::CallScript script;
  script.next_sequence = 0;
  script.end_at_close = true;
  script.status = {grpc::StatusCode::UNAVAILABLE, "the card is lost"};
  for (int i = 0; i < 100; ++i) server.next_call(script);
  ClientOptions options;
  options.window_bytes = size_t{2} << 20;
  Client client(server.address(), options);
  const files::SampleSet set(cluster_file(folder, 20'000, 64));  // 10 MB: 10 batches
  EXPECT_THROW(measure::remote_report(client, set, named("lost")), NoProgress);
  EXPECT_LE(server.opens().size(), 2u * (kMaxFutileRecoveries + 2));  // each rewind opens twice
}

TEST(ClientWithServer, ASplitThatIsLostWhileItWaitsIsStreamedAgain) {
  const TemporaryFolder folder;
  ServerProcess server(testing::server_program());
  Client client(server.address());
  const files::SampleSet set(cluster_file(folder, 200, 6));
  measure::MeasureOptions options = named("waits");
  v1::Open train;
  *train.mutable_key() = options.key;
  train.set_num_classes(5);
  train.set_dim(6);
  train.set_data_type(v1::DATA_TYPE_FLOAT64);
  train.set_label_type(v1::LABEL_TYPE_INT64);
  Series waited_for = client.open(train);
  options.key.set_split("test");
  std::atomic<uint64_t> read = 0;
  auto remote = std::async(std::launch::async, [&] {
    return measure::remote_report(client, set, options, [&](uint64_t samples) { read = samples; });
  });
  while (read < set.samples()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(remote.wait_for(std::chrono::seconds(1)), std::future_status::timeout);
  client.delete_run("waits");
  ASSERT_EQ(remote.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(remote.get().nc4().centers().split(), "test");
}

TEST(ClientOfScript, AReportThatIsLostAgainAndAgainIsAnError) {
  const TemporaryFolder folder;
  testing::ScriptedServer server;
  server.end_others_with({grpc::StatusCode::ABORTED, "dropped"});
  Client client(server.address());
  const files::SampleSet set(cluster_file(folder, 200, 6));
  EXPECT_EQ(code_of([&] { measure::remote_report(client, set, named("dropped")); }), "ABORTED");
  EXPECT_EQ(server.opens().size(), 1u + kMaxFutileRecoveries);
  server.end_others_with({grpc::StatusCode::FAILED_PRECONDITION, "replaced"});
  EXPECT_EQ(code_of([&] { measure::remote_report(client, set, named("replaced")); }),
            "FAILED_PRECONDITION");
}

// A server that stops cancels the calls that are left.
TEST(ClientOfScript, ACallThatTheServerCancelledIsUnavailable) {
  testing::ScriptedServer server;
  server.end_others_with(grpc::Status::CANCELLED);
  Client client(server.address());
  v1::Open open;
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(3, 4, DType::kFloat32);
  EXPECT_EQ(code_of([&] { client.report(open.key()); }), "UNAVAILABLE");
  EXPECT_EQ(code_of([&] { client.statistics(open.key()); }), "UNAVAILABLE");
  EXPECT_EQ(code_of([&] { client.put_statistics(open, bundle); }), "UNAVAILABLE");
  EXPECT_EQ(code_of([&] { client.watch({}, [](const v1::Report&) { return true; }); }),
            "UNAVAILABLE");
}

TEST(ClientWithServer, NoServerIsUnavailable) {
  ClientOptions options;
  options.connect_timeout = std::chrono::milliseconds(100);
  try {
    Client client("127.0.0.1:1", options);
    FAIL() << "expected ServerError";
  } catch (const ServerError& error) {
    EXPECT_EQ(error.code(), "UNAVAILABLE");
  }
}

}  // namespace
}  // namespace ncscope::client
