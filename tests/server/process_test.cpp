// The real program: what it survives, how it ends, what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <algorithm>

#include "tests/server/live_server.h"
#include "tests/server/server_process.h"

namespace ncscope::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

v1::Report stored_report(Stub& stub, const v1::SeriesKey& key) {
  v1::GetReportRequest request;
  *request.mutable_key() = key;
  v1::GetReportResponse response;
  const grpc::Status status = stub.GetReport(bounded_context().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.report();
}

class RestartTest : public ::testing::TestWithParam<int> {
 protected:
  TemporaryFolder folder_;
};

TEST_P(RestartTest, ReportsSurvive) {
  const Samples samples = make_samples(300, 12, 4, DType::kFloat32, 1);
  const v1::Open open = open_for(samples);
  v1::Open unfinished = open;
  unfinished.mutable_key()->set_run("unfinished");
  std::string report;
  {
    auto arguments = ServerProcess::serving(folder_.path());
    arguments.insert(arguments.end(), {"--drain", "0"});  // also without time to drain
    ServerProcess process(folder_.path(), arguments);
    const auto stub = connect(process.grpc_address());
    const auto closed = stream_all(*stub, open, samples, 50);
    ASSERT_TRUE(closed && closed->has_report());
    report = closed->report().SerializeAsString();
    StreamCall call(*stub);
    ASSERT_TRUE(call.open(unfinished));
    ASSERT_TRUE(call.batch(batch_of(samples, 0, 0, 300)));
    process.signal(GetParam());
    EXPECT_EQ(process.wait(), GetParam() == SIGKILL ? -SIGKILL : 0) << process.output();
  }
  ServerProcess process(folder_.path(), ServerProcess::serving(folder_.path()));
  const auto stub = connect(process.grpc_address());
  EXPECT_EQ(stored_report(*stub, open.key()).SerializeAsString(), report);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "data/spool"));
  {  // whoever did not hear the answer gets it again
    StreamCall call(*stub);
    const auto opened = call.open(open);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->next_sequence(), 6u);
    ASSERT_TRUE(call.batch(batch_of(samples, 5, 250, 50)));
    const auto closed = call.close(6);
    ASSERT_TRUE(closed && closed->has_report());
    EXPECT_EQ(closed->report().SerializeAsString(), report);
  }
  {  // the state behind the report is there too
    v1::GetStatisticsRequest request;
    *request.mutable_key() = open.key();
    const auto context = bounded_context();
    const auto reader = stub->GetStatistics(context.get(), request);
    v1::GetStatisticsResponse part;
    while (reader->Read(&part)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
  // An epoch that was not finished goes on where it was.
  StreamCall call(*stub);
  const auto opened = call.open(unfinished);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 1u);
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) call.chunk(chunk);
  const auto closed = call.close(1);
  ASSERT_TRUE(closed && closed->has_report());
  v1::Report expected;
  ASSERT_TRUE(expected.ParseFromString(report));
  EXPECT_EQ(comparable(closed->report()), comparable(expected));
}

INSTANTIATE_TEST_SUITE_P(Signals, RestartTest, ::testing::Values(SIGTERM, SIGINT, SIGKILL),
                         [](const auto& info) {
                           return info.param == SIGTERM  ? "SIGTERM"
                                  : info.param == SIGINT ? "SIGINT"
                                                         : "SIGKILL";
                         });

class ProcessTest : public ::testing::Test {
 protected:
  // Runs it to its end.
  int run(const std::vector<std::string>& arguments, std::string& output) {
    ServerProcess process(folder_.path(), arguments);
    const int status = process.wait();
    output = process.output();
    return status;
  }
  std::vector<std::string> with(const std::vector<std::string>& more) const {
    auto arguments = ServerProcess::serving(folder_.path());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  TemporaryFolder folder_;
};

int lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// Returns when new streams are refused: the signal has been taken.
void refused_for_shutdown(Stub& stub, const v1::Open& open, const Samples& samples) {
  grpc::Status status;
  do {
    stream_all(stub, open, samples, 60, &status);
  } while (status.ok() || status.error_code() == grpc::ALREADY_EXISTS);
}

TEST_F(ProcessTest, DrainsOnSigterm) {
  ServerProcess process(folder_.path(), with({"--drain", "50"}));
  const auto stub = connect(process.grpc_address());
  const Samples samples = make_samples(60, 5, 3, DType::kFloat32, 1);
  StreamCall call(*stub);
  ASSERT_TRUE(call.open(open_for(samples)));
  process.signal(SIGTERM);
  refused_for_shutdown(*stub, open_for(samples, "other"), samples);
  ASSERT_TRUE(call.batch(batch_of(samples, 0, 0, 60)));
  const auto closed = call.close(1);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_TRUE(call.finish().ok());
  EXPECT_EQ(process.wait(), 0);
}

TEST_F(ProcessTest, ASecondSignalEndsTheDrain) {
  ServerProcess process(folder_.path(), with({"--drain", "3600"}));
  const auto stub = connect(process.grpc_address());
  const Samples samples = make_samples(60, 5, 3, DType::kFloat32, 1);
  StreamCall call(*stub);
  ASSERT_TRUE(call.open(open_for(samples)));
  process.signal(SIGINT);
  refused_for_shutdown(*stub, open_for(samples, "other"), samples);
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), 0);
}

TEST_F(ProcessTest, WithoutLogsAnUnfinishedEpochBeginsAnew) {
  const Samples samples = make_samples(60, 5, 3, DType::kFloat32, 1);
  {
    ServerProcess process(folder_.path(), with({"--durability", "none"}));
    const auto stub = connect(process.grpc_address());
    StreamCall call(*stub);
    ASSERT_TRUE(call.open(open_for(samples)));
    const auto ack = call.batch(batch_of(samples, 0, 0, 60));
    ASSERT_TRUE(ack);
    EXPECT_FALSE(ack->has_durable_sequence());
    process.signal(SIGKILL);
    process.wait();
  }
  ServerProcess process(folder_.path(), with({"--durability", "none"}));
  const auto stub = connect(process.grpc_address());
  StreamCall call(*stub);
  const auto opened = call.open(open_for(samples));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 0u);
}

TEST_F(ProcessTest, AFullDiskRefusesTheBatchAndLosesNothing) {
  ServerProcess process(folder_.path(), with({"--durability", "none", "--sample-memory", "0"}), {},
                        "ulimit -f 800");
  const auto stub = connect(process.grpc_address());
  const Samples samples = make_samples(2'000, 100, 3, DType::kFloat32, 1);
  const auto batches = batches_of(samples, 100);
  uint64_t taken = 0;
  {
    StreamCall call(*stub);
    ASSERT_TRUE(call.open(open_for(samples)));
    while (taken < batches.size() && call.batch(batches[taken])) ++taken;
    ASSERT_LT(taken, batches.size());
    ASSERT_GT(taken, 2u);
    expect_status(call.finish(), grpc::RESOURCE_EXHAUSTED, {"spool", "make room"});
  }
  StreamCall call(*stub);
  const auto opened = call.open(open_for(samples));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), taken);
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) call.chunk(chunk);
  const auto closed = call.close(taken);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(difference(local_report(samples.slice(0, taken * 100)), closed->report(), 1e-15), "");
}

// The value of a metric, by name.
double metric(const std::string& http, const std::string& name) {
  const auto page = httplib::Client("http://" + http).Get("/metrics");
  EXPECT_TRUE(page);
  const size_t place = page ? page->body.find("\n" + name + " ") : std::string::npos;
  EXPECT_NE(place, std::string::npos) << name;
  return place == std::string::npos ? -1 : std::stod(page->body.substr(place + name.size() + 2));
}

TEST_F(ProcessTest, ALogThatTakesNothingRaisesAnAlarmUntilItDoes) {
  ServerProcess process(folder_.path(), ServerProcess::serving(folder_.path()),
                        {"NCSCOPE_FAILPOINTS=log.write=enospc@4"});
  const auto stub = connect(process.grpc_address());
  const std::string http = process.http_address();
  const Samples samples = make_samples(600, 10, 3, DType::kFloat32, 1);
  const auto batches = batches_of(samples, 100);
  {
    StreamCall call(*stub);
    ASSERT_TRUE(call.open(open_for(samples)));
    ASSERT_TRUE(call.batch(batches[0]));  // the opening and a batch are two records
    ASSERT_TRUE(call.batch(batches[1]));
    EXPECT_EQ(metric(http, "ncscope_log_failing"), 0);
    EXPECT_FALSE(call.batch(batches[2]));
    expect_status(call.finish(), grpc::RESOURCE_EXHAUSTED, {"No space left", "make room"});
  }
  EXPECT_EQ(metric(http, "ncscope_log_failing"), 1);
  // Others are served meanwhile, and this one goes on once there is room.
  StreamCall call(*stub);
  const auto opened = call.open(open_for(samples));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 2u);
  for (size_t i = 2; i < batches.size(); ++i) ASSERT_TRUE(call.batch(batches[i]));
  EXPECT_EQ(metric(http, "ncscope_log_failing"), 0);
  EXPECT_EQ(metric(http, "ncscope_log_failures_total"), 1);
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) call.chunk(chunk);
  const auto closed = call.close(batches.size());
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
}

// After a sync that failed, what the disk holds is not known: the rank must be streamed anew. A
// client that waits for room until batches are durable must not wait for ever.
TEST_F(ProcessTest, ALogThatCouldNotBeSyncedEndsItsStreamAndIsNotTrusted) {
  ServerProcess process(folder_.path(), with({"--durability", "fsync"}),
                        {"NCSCOPE_FAILPOINTS=log.sync=eio@1"});
  const auto stub = connect(process.grpc_address());
  const Samples samples = make_samples(100, 10, 3, DType::kFloat32, 1);
  {
    StreamCall call(*stub);
    ASSERT_TRUE(call.open(open_for(samples)));
    call.batch(batch_of(samples, 0, 0, 100));
    expect_status(call.wait_for_end(), grpc::FAILED_PRECONDITION,
                  {"the disk did not take it", "open a higher attempt"});
  }
  {
    StreamCall again(*stub);
    ASSERT_TRUE(again.open(open_for(samples)));
    EXPECT_FALSE(again.batch(batch_of(samples, 1, 0, 100)));
    expect_status(again.finish(), grpc::FAILED_PRECONDITION, {"open a higher attempt"});
  }
  v1::Open higher = open_for(samples);
  higher.set_attempt(1);
  const auto closed = stream_all(*stub, higher, samples, 50);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
}

TEST_F(ProcessTest, SaysInOneLineWhyItCannotServe) {
  ServerProcess first(folder_.path(), ServerProcess::serving(folder_.path()));
  const std::string address = first.grpc_address();
  std::string output;
  TemporaryFolder other;
  {
    ServerProcess used_port(other.path(), {"--listen", address, "--http", "", "--data",
                                           other / "data", "--backend", "cpu"});
    EXPECT_EQ(used_port.wait(), 1);
    output = used_port.output();
    EXPECT_THAT(output, HasSubstr("cannot listen on " + address));
    EXPECT_EQ(lines(output), 1) << output;
  }
  {
    ServerProcess used_folder(other.path(), {"--listen", "127.0.0.1:0", "--http", "", "--data",
                                             folder_ / "data", "--backend", "cpu"});
    EXPECT_EQ(used_folder.wait(), 1);
    output = used_folder.output();
    EXPECT_THAT(output, HasSubstr("another ncscope-server uses it"));
    EXPECT_EQ(lines(output), 1) << output;
  }
  {
    ServerProcess no_card(
        other.path(),
        {"--listen", "127.0.0.1:0", "--http", "", "--data", other / "data", "--backend", "cuda"},
        {"NCSCOPE_CUDA_MODULE=" + (other / "none.so").string()});
    EXPECT_EQ(no_card.wait(), 1);
    output = no_card.output();
    EXPECT_THAT(output, HasSubstr("cuda is not part of this installation"));
    EXPECT_EQ(lines(output), 1) << output;
  }
  write_file(other / "file", "");
  ServerProcess no_folder(other.path(), {"--listen", "127.0.0.1:0", "--http", "", "--data",
                                         other / "file/data", "--backend", "cpu"});
  EXPECT_EQ(no_folder.wait(), 1);
  output = no_folder.output();
  EXPECT_THAT(output, HasSubstr("data folder"));
  EXPECT_EQ(lines(output), 1) << output;
}

TEST_F(ProcessTest, BadUsageIsExit2) {
  std::string output;
  EXPECT_EQ(run({"--bogus"}, output), 2);
  EXPECT_THAT(output, HasSubstr("--bogus"));
  EXPECT_EQ(run({"--backend", "tpu"}, output), 2);
  EXPECT_THAT(output, HasSubstr("tpu"));
  EXPECT_EQ(run({"--math", "tf32"}, output), 2);
  EXPECT_THAT(output, HasSubstr("tf32"));
  EXPECT_EQ(run({"--device-memory=-1GB"}, output), 2);
  EXPECT_THAT(output, HasSubstr("expected a size such as 2GB, got -1GB"));
  // The default of --devices is 2.
  EXPECT_EQ(run({"--device-memory", "0"}, output), 2);
  EXPECT_THAT(output, HasSubstr("--device-memory: expected at least 640MB of a card for 2 devices,"
                                " got 0 bytes (--devices)"));
  EXPECT_EQ(run({"--device-memory", "1279MB", "--devices", "4"}, output), 2);
  EXPECT_THAT(output, HasSubstr("at least 1280MB of a card for 4 devices, got 1341128704 bytes"));
  write_file(folder_ / "little.toml", "device-memory = \"1MB\"\n");
  EXPECT_EQ(run({"--config", folder_ / "little.toml"}, output), 2);
  EXPECT_THAT(output, HasSubstr("got 1048576 bytes"));
  EXPECT_EQ(run({"--listen", "nowhere"}, output), 2);
  EXPECT_THAT(output, HasSubstr("nowhere"));
  EXPECT_EQ(run({"--listen", "0.0.0.0:0"}, output), 2);
  EXPECT_THAT(output, HasSubstr("--insecure"));
  EXPECT_EQ(run({"--http", "0.0.0.0:0"}, output), 2);
  EXPECT_THAT(output, HasSubstr("--insecure"));
  EXPECT_EQ(run({"--config", folder_ / "none.toml"}, output), 2);
}

TEST_F(ProcessTest, LittleMemoryOfACardIsNoneOfTheProcessorsConcern) {
  ServerProcess process(folder_.path(), with({"--device-memory", "1MB"}));
  process.grpc_address();
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0) << process.output();
}

TEST_F(ProcessTest, ComputesInTheMathThatWasAskedFor) {
  write_file(folder_ / "server.toml", "device-memory = \"2GB\"\n");
  ServerProcess process(folder_.path(), with({"--config", folder_ / "server.toml"}),
                        {"NCSCOPE_MATH=fp64"});
  const auto stub = connect(process.grpc_address());
  const Samples samples = make_samples(60, 5, 3, DType::kFloat32, 1);
  const auto closed = stream_all(*stub, open_for(samples), samples, 60);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(closed->report().device().math(), "fp64");
  EXPECT_EQ(closed->report().conventions().accumulation(), "float64");
  EXPECT_THAT(process.output(), HasSubstr("fp64 math"));
}

TEST_F(ProcessTest, SaysWhatItComputesOnAndWhyNotOnCuda) {
  std::vector<std::string> arguments = with({});
  std::ranges::replace(arguments, "cpu", "auto");
  const std::string none = folder_ / "none.so";
  {
    ServerProcess process(folder_.path(), arguments, {"NCSCOPE_CUDA_MODULE=" + none});
    process.grpc_address();
    EXPECT_THAT(process.output(), ContainsRegex("info.* computes on cpu .*exact math; cuda is not"
                                                " part of this installation.*none.so"));
  }
  write_file(folder_ / "broken.so", "no module");
  ServerProcess process(folder_.path(), arguments,
                        {"NCSCOPE_CUDA_MODULE=" + (folder_ / "broken.so").string()});
  process.grpc_address();
  EXPECT_THAT(process.output(),
              ContainsRegex("warning.* computes on cpu .*exact math; cuda cannot be loaded"));
}

TEST_F(ProcessTest, InsecureIsSaidLoudly) {
  auto arguments = with({"--insecure"});
  arguments[1] = "0.0.0.0:0";
  ServerProcess process(folder_.path(), arguments);
  process.grpc_address();
  EXPECT_THAT(process.output(), HasSubstr("INSECURE"));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
}

TEST_F(ProcessTest, HelpAndVersion) {
  std::string output;
  EXPECT_EQ(run({"--version"}, output), 0);
  EXPECT_EQ(output, "ncscope-server " NCSCOPE_VERSION "\n");
  EXPECT_EQ(run({"--help"}, output), 0);
  for (const char* text :
       {"--listen", "NCSCOPE_LISTEN", "127.0.0.1:50051", "--config", "--math", "NCSCOPE_MATH",
        "--device-memory", "NCSCOPE_DEVICE_MEMORY", "75 a device was lost"}) {
    EXPECT_THAT(output, HasSubstr(text));
  }
}

TEST_F(ProcessTest, OptionsComeFromFlagsThenAFileThenVariables) {
  write_file(folder_ / "server.toml", "max-world-size = 4\nmax-dim = 76\n");
  ServerProcess process(folder_.path(),
                        with({"--config", folder_ / "server.toml", "--max-dim", "77"}),
                        {"NCSCOPE_MAX_CLASSES=5", "NCSCOPE_MAX_WORLD_SIZE=3"});
  const auto stub = connect(process.grpc_address());
  const auto refusal = [&](void (*change)(v1::Open&)) {
    v1::Open open = open_for(make_samples(1, 4, 3, DType::kFloat32, 1));
    change(open);
    StreamCall call(*stub);
    EXPECT_FALSE(call.open(open));
    return call.finish().error_message();
  };
  EXPECT_THAT(refusal([](v1::Open& o) { o.set_dim(78); }), HasSubstr("[1, 77]"));
  EXPECT_THAT(refusal([](v1::Open& o) { o.set_num_classes(6); }), HasSubstr("[1, 5]"));
  EXPECT_THAT(refusal([](v1::Open& o) { o.set_world_size(9); }), HasSubstr("[1, 4]"));
  write_file(folder_ / "bad.toml", "no-such-option = 3\n");
  std::string output;
  EXPECT_EQ(run({"--config", folder_ / "bad.toml"}, output), 2);
  EXPECT_THAT(output, HasSubstr("no-such-option"));
}

}  // namespace
}  // namespace ncscope::testing
