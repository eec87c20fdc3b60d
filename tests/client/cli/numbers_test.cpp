// The same samples give the same numbers, whatever way they take.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "proto/convert/report.h"
#include "tests/client/cli/cli.h"
#include "tests/support/random.h"

namespace ncscope::testing {
namespace {

constexpr size_t kRows = 911;

test::Samples number_samples(DType type) {
  return test::make_clusters({kRows, 24, 7, type, 0.3, 2.0, 11});
}

double allowed(DType type) { return type == DType::kFloat64 ? 1e-10 : 1e-6; }

// Metrics that need a second look at the samples.
const std::vector<std::string> kSecondPass = {
    "nc4.agreement",     "nc4.ncc_accuracy",  "nc4.classifier_accuracy", "nc4.decision_source",
    "nc4.centers.split", "nc4.centers.epoch", "nc4.centers.attempt",     "nc4.samples"};

class CliNumbers : public ::testing::TestWithParam<DType> {
 protected:
  // The whole set in one file, with its classifier.
  std::string whole_file() {
    auto entries = sample_entries(samples_, 0, kRows);
    for (auto& entry : classifier_entries(samples_)) entries.push_back(std::move(entry));
    write_zip(folder_ / "whole.npz", entries, true);
    return (folder_ / "whole.npz").string();
  }

  // Seven shards of different lengths; the classifier lies in the third.
  std::vector<std::string> shards() {
    std::vector<std::string> files;
    size_t first = 0;
    for (size_t i = 0; i < 7; ++i) {
      const size_t last = i == 6 ? kRows : first + 100 + 10 * i;
      auto entries = sample_entries(samples_, first, last - first);
      if (i == 2) {
        for (auto& entry : classifier_entries(samples_)) entries.push_back(std::move(entry));
      }
      files.push_back((folder_ / ("part" + std::to_string(i) + ".npz")).string());
      write_zip(files.back(), entries);
      first = last;
    }
    return files;
  }

  test::Samples samples_ = number_samples(GetParam());
  TemporaryFolder folder_;
};

TEST_P(CliNumbers, CentersOfTrainFromSamplesOrAState) {
  write_zip(folder_ / "train.npz", sample_entries(samples_, 0, 600));
  auto entries = sample_entries(samples_, 600, kRows - 600);
  for (auto& entry : classifier_entries(samples_)) entries.push_back(std::move(entry));
  write_zip(folder_ / "test.npz", entries);
  const std::string train = (folder_ / "train.npz").string();
  const std::string test = (folder_ / "test.npz").string();
  const std::string state = (folder_ / "train.ncstats").string();
  cli_output({"stats", train, "-o", state});
  const v1::Report report = cli_report({"report", test, "--centers", train});
  EXPECT_EQ(report.key().split(), "test");
  EXPECT_EQ(report.nc4().centers().split(), "train");
  EXPECT_TRUE(report.test_collapse().has_strong());
  EXPECT_FALSE(report.has_nc5());
  expect_same_numbers(report, cli_report({"report", test, "--centers", state}), 0);
  const v1::Report ood = cli_report({"report", test, "--centers", state, "--split", "ood_x"});
  EXPECT_TRUE(ood.nc5().has_orthogonality());
  EXPECT_EQ(ood.nc5().ood_split(), "ood_x");
  const v1::Report own = cli_report({"report", test, "--split", "test"});
  EXPECT_EQ(own.nc4().centers().split(), "test");
  EXPECT_FALSE(own.has_test_collapse());
  // Arrays of the test samples in files of their own are not those of train.
  std::vector<std::string> arrays = {"report", "--centers", train};
  auto own_entries = sample_entries(samples_, 600, kRows - 600);
  for (auto& entry : classifier_entries(samples_)) own_entries.push_back(std::move(entry));
  for (const ZipEntry& entry : own_entries) {
    write_file(folder_ / entry.name, entry.bytes);
    const std::string key = entry.name.substr(0, entry.name.size() - 4);
    arrays.insert(arrays.end(), {"--" + key, (folder_ / entry.name).string()});
  }
  expect_same_numbers(report, cli_report(arrays), 0);
  // About themselves, weak and strong are one number.
  const v1::Report same = cli_report({"report", train, "--centers", train});
  EXPECT_NEAR(same.test_collapse().strong(), same.test_collapse().weak(),
              1e-12 * same.test_collapse().weak());
  expect_refusal(run_cli({"report", train, "--centers", state, "--num-classes", "9"}), 1, "K = 9");
}

TEST_P(CliNumbers, CentersOfTrainThatLacksTheLastClass) {
  test::Samples train = samples_;
  std::ranges::replace(train.labels, 6, 5);
  write_zip(folder_ / "train.npz", sample_entries(train, 0, 600));
  const v1::Report report =
      cli_report({"report", whole_file(), "--centers", (folder_ / "train.npz").string()});
  EXPECT_EQ(report.data().num_classes(), 7u);
  EXPECT_TRUE(report.nc4().has_agreement());
}

TEST_P(CliNumbers, ShardsReportAsTheWhole) {
  const v1::Report whole = cli_report({"report", whole_file()});
  std::vector<std::string> arguments = {"report"};
  for (const std::string& file : shards()) arguments.push_back(file);
  expect_same_numbers(whole, cli_report(arguments), allowed(GetParam()));
  EXPECT_TRUE(whole.nc3().has_distance());
  EXPECT_TRUE(whole.nc4().has_agreement());
}

TEST_P(CliNumbers, SevenStatesMergedReportAsTheWhole) {
  const v1::Report whole = cli_report({"report", whole_file()});
  std::vector<std::string> arguments = {"merge"};
  for (const std::string& file : shards()) {
    arguments.push_back(file + ".ncstats");
    EXPECT_EQ(cli_output({"stats", file, "--num-classes", "7", "-o", arguments.back()}), "");
  }
  const v1::Report merged = cli_report(arguments);
  expect_same_numbers(whole, merged, allowed(GetParam()), kSecondPass);
  EXPECT_EQ(merged.world_size(), 7u);
  EXPECT_FALSE(merged.nc4().has_agreement());
}

TEST_P(CliNumbers, StandardErrorsOfAFileOfAnyOrder) {
  const v1::Report whole = cli_report({"report", whole_file()});
  EXPECT_FALSE(whole.nc1().has_quotient_standard_error());
  const v1::Report report = cli_report({"report", whole_file(), "--standard-errors"});
  const std::vector<std::string> added = {"nc1.pinv_standard_error", "nc1.quotient_standard_error",
                                          "nc1.cdnv_standard_error", "nc1.jackknife_groups"};
  expect_same_numbers(whole, report, allowed(GetParam()), added);
  EXPECT_EQ(report.nc1().jackknife_groups(), 16u);
  EXPECT_EQ(report.warnings_size(), 0);
}

// Classes of very different spread: what a group holds of each must not follow from the order.
TEST(CliStandardErrors, DoNotDependOnTheOrderOfTheRows) {
  constexpr size_t kClasses = 8;
  constexpr size_t kEach = 200;
  constexpr size_t kDim = 12;
  test::Random random(4);
  const std::vector<double> means = random.normals(kClasses * kDim);
  std::vector<std::vector<double>> rows;  // by class
  for (size_t i = 0; i < kClasses * kEach; ++i) {
    std::vector<double> row = random.normals(kDim);
    const size_t label = i / kEach;
    for (size_t j = 0; j < kDim; ++j) {
      row[j] = means[label * kDim + j] + row[j] * std::pow(2.0, static_cast<double>(label) / 2 - 4);
    }
    rows.push_back(std::move(row));
  }
  const TemporaryFolder folder;
  const auto errors = [&](const char* name, const std::vector<size_t>& order) {
    std::vector<double> values;
    std::vector<int32_t> labels;
    for (const size_t row : order) {
      values.insert(values.end(), rows[row].begin(), rows[row].end());
      labels.push_back(static_cast<int32_t>(row / kEach));
    }
    const auto samples = test::make_samples(DType::kFloat64, kClasses, kDim, values, labels);
    write_zip(folder / name, sample_entries(samples, 0, order.size()));
    return cli_report({"report", (folder / name).string(), "--standard-errors"}).nc1();
  };
  std::vector<size_t> sorted(rows.size()), rotating(rows.size());
  std::iota(sorted.begin(), sorted.end(), size_t{0});
  for (size_t i = 0; i < rotating.size(); ++i) rotating[i] = i % kClasses * kEach + i / kClasses;
  std::vector<size_t> mixed = sorted;
  for (size_t i = mixed.size() - 1; i > 0; --i) std::swap(mixed[i], mixed[random.below(i + 1)]);
  const v1::Nc1 expected = errors("mixed.npz", mixed);
  for (const v1::Nc1& nc1 : {errors("sorted.npz", sorted), errors("rotating.npz", rotating)}) {
    EXPECT_NEAR(nc1.quotient_standard_error() / expected.quotient_standard_error(), 1, 0.5);
    EXPECT_NEAR(nc1.pinv_standard_error() / expected.pinv_standard_error(), 1, 0.5);
    EXPECT_NEAR(nc1.cdnv_standard_error() / expected.cdnv_standard_error(), 1, 0.5);
  }
}

TEST_P(CliNumbers, StandardErrorsOfMergedStates) {
  std::vector<std::string> arguments = {"merge"};
  for (size_t i = 0; i < 9; ++i) {
    const std::string file = (folder_ / ("part" + std::to_string(i) + ".npz")).string();
    write_zip(file, sample_entries(samples_, 100 * i, 100));
    arguments.push_back(file + ".ncstats");
    cli_output({"stats", file, "--num-classes", "7", "-o", arguments.back()});
  }
  const v1::Report plain = cli_report(arguments);
  arguments.push_back("--standard-errors");
  const v1::Report report = cli_report(arguments);
  EXPECT_EQ(report.nc1().jackknife_groups(), 9u);
  EXPECT_GT(report.nc1().quotient_standard_error(), 0);
  EXPECT_EQ(plain.nc1().quotient(), report.nc1().quotient());
}

TEST_P(CliNumbers, TheSameInputTwiceGivesTheSameBytes) {
  const std::string file = whole_file();
  v1::Report first = cli_report({"report", file});
  v1::Report second = cli_report({"report", file});
  first.clear_created_at();
  second.clear_created_at();
  EXPECT_EQ(report_to_json(first, true), report_to_json(second, true));
}

TEST_P(CliNumbers, NpyFilesReportAsTheArchive) {
  const v1::Report whole = cli_report({"report", whole_file()});
  auto entries = sample_entries(samples_, 0, kRows);
  for (auto& entry : classifier_entries(samples_)) entries.push_back(std::move(entry));
  std::vector<std::string> arguments = {"report", "--run", "whole"};
  for (const ZipEntry& entry : entries) {
    write_file(folder_ / entry.name, entry.bytes);
    const std::string key = entry.name.substr(0, entry.name.size() - 4);
    arguments.insert(arguments.end(), {"--" + key, (folder_ / entry.name).string()});
  }
  expect_same_numbers(whole, cli_report(arguments), 0);
}

TEST_P(CliNumbers, TheServerReportsAsTheLocalMachine) {
  const std::string file = whole_file();
  const v1::Report local = cli_report({"report", file, "--local"});
  ServerProcess server(server_program());
  const v1::Report remote =
      cli_report({"report", file, "--server", server.address(), "--run", "whole"});
  expect_same_numbers(local, remote, allowed(GetParam()));
  EXPECT_EQ(remote.key().run(), "whole");
  EXPECT_EQ(server.stop(), 0) << server.log();
}

INSTANTIATE_TEST_SUITE_P(Types, CliNumbers,
                         ::testing::Values(DType::kFloat32, DType::kFloat64, DType::kFloat16),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST(CliMerge, PartsMustAgree) {
  const TemporaryFolder folder;
  const auto samples = number_samples(DType::kFloat32);
  write_zip(folder / "a.npz", sample_entries(samples, 0, 100));
  const std::string file = (folder / "a.npz").string();
  const std::string a = (folder / "a.ncstats").string();
  const std::string b = (folder / "b.ncstats").string();
  cli_output({"stats", file, "--num-classes", "7", "-o", a});
  cli_output({"stats", file, "--num-classes", "8", "-o", b});
  expect_refusal(run_cli({"merge", a, b}), 1, "expected K = 7, d = 24 as in " + a + ", got K = 8");
}

}  // namespace
}  // namespace ncscope::testing
