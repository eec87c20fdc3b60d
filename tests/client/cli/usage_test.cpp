// Options, environment, configuration, exit statuses and formats of the command line.
#include <gtest/gtest.h>

#include "client/output/csv.h"
#include "proto/convert/report.h"
#include "tests/client/cli/cli.h"
#include "tests/client/malformed_files.h"

namespace ncscope::testing {
namespace {

class CliUsage : public ::testing::Test {
 protected:
  CliUsage() {
    write_zip(folder_ / "x.npz",
              {{"features.npy", good_features()}, {"labels.npy", good_labels()}});
  }
  TemporaryFolder folder_;
  std::string file_ = (folder_ / "x.npz").string();
};

TEST_F(CliUsage, BadUsageExitsWith2AndOneLine) {
  expect_refusal(run_cli({}), 2, "expected a command");
  expect_refusal(run_cli({"reprot"}), 2, "reprot");
  expect_refusal(run_cli({"report"}), 2, "expected FILES");
  expect_refusal(run_cli({"report", file_, "--num-classes", "0"}), 2, "--num-classes");
  expect_refusal(run_cli({"report", file_, "--nonfinite", "maybe"}), 2, "{refuse,skip}");
  expect_refusal(run_cli({"report", file_, "--backend", "tpu"}), 2, "{auto,cpu,cuda}");
  expect_refusal(run_cli({"report", file_, "--math", "tf32"}), 2, "{exact,fp64}");
  expect_refusal(run_cli({"stats", file_, "-o", "x", "--device-memory=-1GB"}), 2,
                 "expected a size such as 20GB, got -1GB");
  for (const char* little : {"0", "319MB", "1"}) {
    expect_refusal(run_cli({"report", file_, "--device-memory", little}), 2,
                   "--device-memory: expected at least 320MB of a card for 1 device, got ");
  }
  expect_refusal(run_cli({"report", file_}, {{"NCSCOPE_DEVICE_MEMORY", "0"}}), 2, "got 0 bytes");
  expect_refusal(run_cli({"stats", file_, "-o", "x", "--device-memory", "1MB"}), 2, "got 1048576");
  cli_output({"report", file_, "--backend", "cpu", "--device-memory", "1MB"});
  expect_refusal(run_cli({"report", file_, "--classes", "many"}), 2, "--classes");
  expect_refusal(run_cli({"report", file_, "--local", "--server", "127.0.0.1:1"}), 2, "--local");
  expect_refusal(run_cli({"report", file_, "--server", "127.0.0.1:1", "--backend", "cpu"}), 2,
                 "--backend");
  expect_refusal(run_cli({"report", file_, "--server", "127.0.0.1:1", "--math", "fp64"}), 2,
                 "--math");
  expect_refusal(run_cli({"report", file_, "--server", "127.0.0.1:1", "--device-memory", "1GB"}), 2,
                 "--device-memory");
  expect_refusal(run_cli({"report", file_, "--server", ""}), 2, "expected HOST:PORT, got ''");
  expect_refusal(run_cli({"runs", "--server", "localhost"}), 2, "got 'localhost'");
  expect_refusal(run_cli({"report", "X.npy"}), 2, "--features X.npy --labels Y.npy");
  expect_refusal(run_cli({"report", "--features", "X.npy"}), 2, "both or neither");
  expect_refusal(run_cli({"report", file_, "--weight", "a", "--weight", "b"}), 2, "one KEY");
  expect_refusal(run_cli({"stats", file_}), 2, "--output is required");
  expect_refusal(run_cli({"merge"}), 2, "FILES is required");
  expect_refusal(run_cli({"show"}), 2, "RUN is required");
}

TEST_F(CliUsage, WhatThisVersionLacksIsRefusedNamingWhatThereIs) {
  expect_refusal(run_cli({"report", file_, "--format", "html"}), 2, "html not in {table,json,csv}");
  expect_refusal(run_cli({"report", file_, "--profile", "mine"}), 2,
                 "mine not in {default,papyan,geometric,linguistic,rw}");
}

TEST_F(CliUsage, HelpAndVersionExitWith0) {
  EXPECT_EQ(cli_output({"--version"}), std::string("ncscope ") + NCSCOPE_VERSION + "\n");
  for (const char* command : {"report", "stats", "merge", "runs", "show", "watch", "export",
                              "series", "finish", "delete", "doctor"}) {
    const std::string help = cli_output({command, "--help"});
    EXPECT_NE(help.find("Usage: ncscope " + std::string(command)), std::string::npos);
    for (size_t start = 0; start < help.size();) {
      const size_t end = std::min(help.find('\n', start), help.size());
      EXPECT_LE(end - start, 100u) << help.substr(start, end - start);
      start = end + 1;
    }
  }
}

TEST_F(CliUsage, AServerThatIsNotThereIsRefused) {
  expect_refusal(run_cli({"runs", "--server", "127.0.0.1:1", "--connect-timeout", "0.1"}), 1,
                 "server 127.0.0.1:1: no answer");
}

TEST_F(CliUsage, TableNamesSamplesMetricsIdealsAndReasons) {
  const std::string table = cli_output({"report", file_});
  for (const char* text : {"x  epoch 0", "4 samples, 2 of 2 classes", "NC1  variability", "pinv",
                           "tr(S_W S_B^+) / P", "NC2  simplex ETF", "NC4  nearest centre",
                           "undefined: no classifier was given", "Classes"}) {
    EXPECT_NE(table.find(text), std::string::npos) << text << " is not in:\n" << table;
  }
  EXPECT_EQ(table.find('\033'), std::string::npos) << "colours without a terminal";
}

TEST_F(CliUsage, MathIsChosenAndShown) {
  EXPECT_NE(cli_output({"report", file_}).find("float32 products, float64 sums, computed by"),
            std::string::npos);
  const std::string table =
      cli_output({"report", file_, "--device-memory", "2GB"}, {{"NCSCOPE_MATH", "fp64"}});
  EXPECT_NE(table.find("float64, computed by"), std::string::npos) << table;
  EXPECT_NE(table.find("fp64 math"), std::string::npos) << table;
  const v1::Report report = cli_report({"report", file_, "--math", "fp64"});
  EXPECT_EQ(report.device().math(), "fp64");
  EXPECT_EQ(report.conventions().accumulation(), "float64");
  const std::string state = (folder_ / "x.ncstats").string();
  cli_output({"stats", file_, "-o", state, "--math", "fp64", "--device-memory", "2GB"});
  EXPECT_EQ(cli_report({"merge", state, "--math", "fp64"}).device().math(), "fp64");
}

TEST_F(CliUsage, ACardThatIsNotThereIsRefused) {
  const Environment none = {{"NCSCOPE_CUDA_MODULE", (folder_ / "none.so").string()}};
  expect_refusal(run_cli({"report", file_, "--backend", "cuda"}, none), 1,
                 "cuda is not part of this installation");
  write_file(folder_ / "broken.so", "no module");
  const std::string text =
      cli_output({"doctor"}, {{"NCSCOPE_CUDA_MODULE", (folder_ / "broken.so").string()}});
  EXPECT_NE(text.find("cuda: not usable, cuda cannot be loaded"), std::string::npos) << text;
}

TEST_F(CliUsage, ClassTableIsLimitedToTheWorst) {
  EXPECT_EQ(cli_output({"report", file_, "--classes", "0"}).find("Classes"), std::string::npos);
  const std::string one = cli_output({"report", file_, "--classes", "1"});
  EXPECT_NE(one.find("1 of 2, largest spread"), std::string::npos) << one;
}

TEST_F(CliUsage, CsvIsOneHeaderAndOneRow) {
  const std::string csv = cli_output({"report", file_, "--format", "csv"});
  EXPECT_TRUE(csv.starts_with(output::csv_header()));
  EXPECT_EQ(std::ranges::count(csv, '\n'), 2);
  for (const char* path : {"key.run,", ",nc1.pinv,", ",nc2.means.etf_error,", ",nc4.agreement,"}) {
    EXPECT_NE(csv.find(path), std::string::npos) << path;
  }
}

TEST_F(CliUsage, OutputGoesToAFileAsAWhole) {
  const auto path = folder_ / "report.json";
  EXPECT_EQ(cli_output({"report", file_, "--format", "json", "--output", path.string()}), "");
  EXPECT_EQ(report_from_json(read_file(path)).data().samples(), 4u);
  expect_refusal(run_cli({"report", file_, "--output", (folder_ / "no" / "x").string()}), 1,
                 "cannot write");
  EXPECT_EQ(cli_output({"report", file_, "--output", "/dev/stdout"}),
            cli_output({"report", file_}));
}

TEST_F(CliUsage, SpectraAreAskedFor) {
  const auto json = [&](const std::string& choice) {
    return cli_output({"report", file_, "--format", "json", "--spectrum", choice});
  };
  EXPECT_NE(json("leading").find("participation_ratio"), std::string::npos);
  EXPECT_EQ(json("none").find("participation_ratio"), std::string::npos);
  EXPECT_NE(json("none").find("spectra were not asked for"), std::string::npos);
  expect_refusal(run_cli({"report", file_, "--spectrum", "some"}), 2, "--spectrum");
}

TEST_F(CliUsage, TheMarginIsAskedFor) {
  EXPECT_EQ(cli_output({"report", file_, "--format", "json"}).find("margin"), std::string::npos);
  const v1::Report report =
      report_from_json(cli_output({"report", file_, "--format", "json", "--margin"}));
  EXPECT_NEAR(report.nc2().means().one_vs_rest_margin(), 2, 1e-14);
  EXPECT_TRUE(report.nc2().means().has_one_vs_rest_margin_gap());
  EXPECT_LT(report.nc2().means().one_vs_rest_margin_gap(), 1e-13);
  EXPECT_TRUE(report.nc2().means().has_one_vs_rest_margin_class());
  EXPECT_NE(cli_output({"report", file_, "--margin"}).find("one_vs_rest_margin"),
            std::string::npos);
}

TEST_F(CliUsage, AProfileIsAPartOfItsOwn) {
  EXPECT_EQ(cli_output({"report", file_}).find("profile"), std::string::npos);
  const std::string table = cli_output({"report", file_, "--profile", "papyan"});
  for (const char* text : {"profile papyan", "Sw_invSb", "tr(S_W S_B^+) / P", "NCC_mismatch",
                           "undefined: neither a classifier nor predictions were given"}) {
    EXPECT_NE(table.find(text), std::string::npos) << text << " is not in:\n" << table;
  }
  const std::string csv = cli_output({"report", file_, "--profile", "rw", "--format", "csv"});
  EXPECT_TRUE(csv.starts_with(output::csv_header()));
  EXPECT_NE(csv.find(",nc1_pinv="), std::string::npos) << csv;
  EXPECT_NE(csv.find(" nc1_quot="), std::string::npos) << csv;
  EXPECT_EQ(csv.find("nc4_agree="), std::string::npos) << csv;
  const v1::Report report = cli_report({"report", file_, "--profile", "linguistic"});
  EXPECT_EQ(report.conventions().profile(), "linguistic");
  EXPECT_EQ(report.profile_numbers(0).name(), "cdnv");
}

TEST_F(CliUsage, OptionsComeFromTheEnvironmentToo) {
  const Environment environment = {{"NCSCOPE_FORMAT", "csv"}, {"NCSCOPE_NUM_CLASSES", "7"}};
  EXPECT_NE(cli_output({"report", file_}, environment).find(",7,2,2,"), std::string::npos);
  // The command line wins.
  EXPECT_TRUE(cli_output({"report", file_, "--format", "json"}, environment).starts_with("{"));
  expect_refusal(run_cli({"report", file_}, {{"NCSCOPE_WEIGHTING", "heavy"}}), 2, "--weighting");
  // A server for the other commands does not make `report` remote.
  EXPECT_NE(cli_output({"report", file_}, {{"NCSCOPE_SERVER", "127.0.0.1:1"}}), "");
  expect_refusal(
      run_cli({"runs"}, {{"NCSCOPE_SERVER", "127.0.0.1:1"}, {"NCSCOPE_CONNECT_TIMEOUT", "0.1"}}), 1,
      "127.0.0.1:1");
}

TEST_F(CliUsage, OptionsComeFromAConfigurationFileToo) {
  const auto path = folder_ / "ncscope.toml";
  write_file(path, "[report]\nnum-classes = 7\nformat = \"csv\"\n");
  const std::string csv = cli_output({"--config", path.string(), "report", file_});
  EXPECT_NE(csv.find(",7,2,2,"), std::string::npos) << csv;
  EXPECT_EQ(cli_output({"report", file_}, {{"NCSCOPE_CONFIG", path.string()}}).substr(0, 7),
            "key.run");
  write_file(path, "[report]\nno-such-option = 7\n");
  expect_refusal(run_cli({"--config", path.string(), "report", file_}), 2, "no-such-option");
  expect_refusal(run_cli({"--config", (folder_ / "none").string(), "report", file_}), 2, "none");
}

TEST_F(CliUsage, ArraysMayHaveOtherKeys) {
  write_zip(folder_ / "k.npz",
            {{"h.npy", good_features()},
             {"y.npy", good_labels()},
             {"fc.weight.npy", npy_matrix(std::vector<float>{1, 0, 0, 1}, 2, 2)}});
  const std::string file = (folder_ / "k.npz").string();
  expect_refusal(run_cli({"report", file}), 1, "expected an array 'features', got 'h', 'y'");
  const v1::Report report =
      cli_report({"report", file, "--features", "h", "--labels", "y", "--weight", "fc.weight"});
  EXPECT_TRUE(report.nc3().has_distance());
}

TEST_F(CliUsage, DoctorChecksAProblemWithKnownAnswers) {
  const std::string text = cli_output({"doctor"});
  for (const char* part : {"ncscope", "processor", "memory", "cpu:", "nc1.pinv", "nc3.distance"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(text.find("WRONG"), std::string::npos) << text;
}

}  // namespace
}  // namespace ncscope::testing
