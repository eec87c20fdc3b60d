// Commands that ask a server, against the real one.
#include <gmock/gmock.h>

#include "client/client.h"
#include "client/output/csv.h"
#include "proto/convert/report.h"
#include "tests/client/cli/cli.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

// One server for all tests of this file; each test has runs of its own.
class CliServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<ServerProcess>(server_program());
    folder_ = std::make_unique<TemporaryFolder>();
    const auto samples = test::make_clusters({200, 8, 4, DType::kFloat32, 0.2, 0, 5});
    auto entries = sample_entries(samples, 0, 200);
    for (auto& entry : classifier_entries(samples)) entries.push_back(std::move(entry));
    write_zip(*folder_ / "x.npz", entries);
    write_zip(*folder_ / "half.npz", sample_entries(samples, 0, 100));
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(server_->stop(), 0) << server_->log();
    server_.reset();
    folder_.reset();
  }

  static std::string file(const std::string& name = "x.npz") { return (*folder_ / name).string(); }

  static std::vector<std::string> asked(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server", server_->address()});
    return arguments;
  }

  static v1::Report stream(const std::string& run, int epoch, const std::string& split = "train",
                           const std::string& name = "x.npz") {
    return cli_report(asked(
        {"report", file(name), "--run", run, "--epoch", std::to_string(epoch), "--split", split}));
  }

  static inline std::unique_ptr<ServerProcess> server_;
  static inline std::unique_ptr<TemporaryFolder> folder_;
};

TEST_F(CliServer, RunsAreListed) {
  stream("listed", 0);
  stream("listed", 3);
  const std::string table = cli_output(asked({"runs"}));
  EXPECT_NE(table.find("listed"), std::string::npos) << table;
  EXPECT_NE(table.find("0 to 3"), std::string::npos) << table;
  EXPECT_NE(cli_output(asked({"runs", "--format", "json"})).find("\"last_epoch\": 3"),
            std::string::npos);
}

TEST_F(CliServer, ShowHasALineForEachReport) {
  stream("shown", 0);
  stream("shown", 1);
  stream("shown", 1, "test", "half.npz");
  const std::string table = cli_output(asked({"show", "shown"}));
  EXPECT_EQ(std::ranges::count(table, '\n'), 4) << table;
  const size_t width = table.find('\n');
  for (size_t start = 0; start < table.size(); start = table.find('\n', start) + 1) {
    EXPECT_EQ(table.find('\n', start) - start, width) << table;
  }
  EXPECT_EQ(std::ranges::count(cli_output(asked({"show", "shown", "--split", "test"})), '\n'), 2);
  const std::string one = cli_output(asked({"show", "shown", "--epoch", "1", "--split", "train"}));
  EXPECT_NE(one.find("NC1  variability"), std::string::npos) << one;
  EXPECT_NE(one.find("Classes"), std::string::npos) << one;
  expect_refusal(run_cli(asked({"show", "shown", "--epoch", "9"})), 1, "no such report");
  expect_refusal(run_cli(asked({"show", "unheard-of"})), 1, "unheard-of");
}

TEST_F(CliServer, ExportHasEveryReport) {
  const v1::Report report = stream("exported", 0);
  stream("exported", 1);
  const std::string csv = cli_output(asked({"export", "exported", "--format", "csv"}));
  EXPECT_TRUE(csv.starts_with(output::csv_header()));
  EXPECT_EQ(std::ranges::count(csv, '\n'), 3);
  const std::string json = cli_output(asked({"export", "exported"}));
  EXPECT_TRUE(json.starts_with("[\n{"));
  // The first element is the report that streaming returned, to the byte.
  EXPECT_NE(json.find(report_to_json(report, false) + ",\n{"), std::string::npos) << json;
}

TEST_F(CliServer, TheServerComputesTheNumbersOfAProfile) {
  const v1::Report here = cli_report({"report", file(), "--profile", "geometric"});
  const v1::Report there =
      cli_report(asked({"report", file(), "--run", "profiled", "--profile", "geometric"}));
  EXPECT_EQ(there.conventions().profile(), "geometric");
  ASSERT_EQ(here.profile_numbers_size(), 5);
  ASSERT_EQ(there.profile_numbers_size(), 5);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(there.profile_numbers(i).SerializeAsString(),
              here.profile_numbers(i).SerializeAsString());
  }
  const std::string table = cli_output(asked({"show", "profiled", "--epoch", "0"}));
  EXPECT_NE(table.find("WH_relation_metric"), std::string::npos) << table;
}

TEST_F(CliServer, WatchSendsReportsAsTheyCome) {
  stream("watched", 0);
  stream("watched", 1);
  const std::string table = cli_output(asked({"watch", "watched", "--count", "2"}));
  EXPECT_EQ(std::ranges::count(table, '\n'), 3) << table;
  BackgroundCommand watch({NCSCOPE_CLI_PROGRAM, "watch", "watched", "--count", "3", "--format",
                           "json", "--server", server_->address()},
                          *folder_ / "watch.log");
  stream("watched", 2);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (watch.running() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ASSERT_FALSE(watch.running());
  const std::string lines = read_file(*folder_ / "watch.log");
  EXPECT_EQ(std::ranges::count(lines, '\n'), 3) << lines;
  EXPECT_EQ(report_from_json(lines.substr(0, lines.find('\n'))).key().epoch(), 0u);
}

TEST_F(CliServer, AnEpochWhoseRankIsMissingIsListedAndReportedInPart) {
  const auto samples = test::make_clusters({200, 8, 4, DType::kFloat32, 0.2, 0, 5});
  v1::Open open;
  open.mutable_key()->set_run("parts");
  open.mutable_key()->set_split("train");
  open.set_world_size(2);
  open.set_num_classes(4);
  open.set_dim(8);
  open.set_data_type(v1::DATA_TYPE_FLOAT32);
  open.set_label_type(v1::LABEL_TYPE_INT32);
  client::Client client(server_->address());
  client::Series series = client.open(open);
  series.send({200, samples.bytes, std::as_bytes(std::span(samples.labels)), {}, {}});
  EXPECT_FALSE(series.close().has_report());
  const std::string table = cli_output(asked({"series", "parts"}));
  EXPECT_THAT(table, HasSubstr("streaming"));
  EXPECT_THAT(table, HasSubstr("1/2"));
  EXPECT_THAT(table, HasSubstr("rank 1 away for"));
  EXPECT_THAT(cli_output(asked({"series", "--format", "json"})), HasSubstr("STATE_STREAMING"));
  EXPECT_EQ(cli_output(asked({"finish", "parts", "--epoch", "0"})),
            "reported parts, epoch 0, split train, layer features in part, from 200 samples\n");
  EXPECT_THAT(cli_output(asked({"show", "parts", "--epoch", "0", "--format", "json"})),
              HasSubstr("\"partial\":true"));
  expect_refusal(run_cli(asked({"finish", "parts", "--epoch", "0"})), 1, "NOT_FOUND");
  expect_refusal(run_cli(asked({"series", "none"})), 1, "NOT_FOUND");
}

TEST_F(CliServer, DeleteRemovesARun) {
  stream("deleted", 0);
  EXPECT_EQ(cli_output(asked({"delete", "deleted"})), "deleted deleted with 1 report\n");
  expect_refusal(run_cli(asked({"show", "deleted"})), 1, "deleted");
  expect_refusal(run_cli(asked({"delete", "deleted"})), 1, "NOT_FOUND");
}

TEST_F(CliServer, TheSameDataAgainGivesTheSameReportAndOtherDataIsRefused) {
  const v1::Report first = stream("repeated", 0);
  const v1::Report second = stream("repeated", 0);
  EXPECT_EQ(report_to_json(first, true), report_to_json(second, true));
  expect_refusal(run_cli(asked({"report", file("half.npz"), "--run", "repeated"})), 1,
                 "ALREADY_EXISTS");
  const v1::Report third =
      cli_report(asked({"report", file("half.npz"), "--run", "repeated", "--attempt", "1"}));
  EXPECT_EQ(third.data().samples(), 100u);
  EXPECT_EQ(third.attempt(), 1u);
}

TEST_F(CliServer, WhatTheServerRefusesIsOneLine) {
  expect_refusal(run_cli(asked({"report", file(), "--run", "not a name"})), 1, "INVALID_ARGUMENT");
}

TEST_F(CliServer, DoctorChecksTheServerAndLeavesNothing) {
  const std::string text = cli_output(asked({"doctor"}));
  EXPECT_NE(text.find(server_->address() + ": serving"), std::string::npos) << text;
  EXPECT_EQ(text.find("WRONG"), std::string::npos) << text;
  EXPECT_EQ(cli_output(asked({"runs"})).find("ncscope-doctor"), std::string::npos);
}

}  // namespace
}  // namespace ncscope::testing
