#include "server/storage/report_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include "server/core/errors.h"
#include "server/storage/data_folder.h"
#include "tests/support/arrays.h"

namespace ncscope::testing {
namespace {

using server::DataFolder;
using server::ReportedAttempt;
using server::ReportStore;
using server::SeriesKey;

v1::Report made_up_report(const std::string& run, uint32_t epoch, uint32_t attempt = 0) {
  v1::Report report;
  report.mutable_key()->set_run(run);
  report.mutable_key()->set_epoch(epoch);
  report.mutable_key()->set_split("train");
  report.mutable_key()->set_layer("features");
  report.set_attempt(attempt);
  report.mutable_created_at()->set_seconds(1'000 + epoch);
  report.mutable_created_at()->set_nanos(7);
  report.mutable_nc1()->set_pinv(0.25 * epoch);
  for (uint32_t label = 0; label < 3; ++label) {
    v1::ClassReport& entry = *report.add_classes();
    entry.set_label(label);
    entry.set_count(10 + label);
  }
  return report;
}

ReportedAttempt made_up_attempt(uint32_t attempt) {
  ReportedAttempt out;
  out.attempt = attempt;
  out.open.set_num_classes(3);
  out.open.set_dim(5);
  out.ranks = {{0, {1, 2, 0xffffffffu}, std::nullopt}, {1, {}, 77u}};
  out.weight_digest = 0xfedcba98u;
  return out;
}

SeriesKey key_of(const std::string& run, uint32_t epoch) {
  return {run, epoch, "train", "features"};
}

class ReportStoreTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(ReportStoreTest, WhatWasInsertedIsThereAfterReopening) {
  const v1::Report report = made_up_report("run", 4, 2);
  { ReportStore(folder_ / "r.db").insert(report, made_up_attempt(2), "a.ncstats"); }
  ReportStore store(folder_ / "r.db");
  EXPECT_EQ(store.find(key_of("run", 4), true)->report.SerializeAsString(),
            report.SerializeAsString());
  EXPECT_EQ(store.find(key_of("run", 4), false)->report.classes_size(), 0);
  EXPECT_FALSE(store.find(key_of("run", 5), true));
  const auto attempt = store.find_attempt(key_of("run", 4));
  ASSERT_TRUE(attempt);
  EXPECT_EQ(attempt->attempt, 2u);
  EXPECT_EQ(attempt->open.dim(), 5u);
  ASSERT_EQ(attempt->ranks.size(), 2u);
  EXPECT_EQ(attempt->ranks[0].checksums, (std::vector<uint32_t>{1, 2, 0xffffffffu}));
  EXPECT_FALSE(attempt->ranks[0].state_digest);
  EXPECT_EQ(attempt->ranks[1].state_digest, 77u);
  EXPECT_EQ(attempt->weight_digest, 0xfedcba98u);
  EXPECT_FALSE(attempt->bias_digest);
  EXPECT_EQ(store.find_statistics(key_of("run", 0))->file, "a.ncstats");
  EXPECT_EQ(store.find_statistics(key_of("run", 0))->epoch, 4u);
}

TEST_F(ReportStoreTest, AHigherAttemptReplaces) {
  ReportStore store(folder_ / "r.db");
  EXPECT_FALSE(store.insert(made_up_report("run", 1), made_up_attempt(0), "a").obsolete_file);
  const auto second = store.insert(made_up_report("run", 1, 1), made_up_attempt(1), "b");
  EXPECT_EQ(second.obsolete_file, "a");
  EXPECT_EQ(store.find(key_of("run", 1), true)->report.attempt(), 1u);
  EXPECT_EQ(store.list_runs(INT64_MAX, 10)[0].run.reports(), 1u);
  EXPECT_EQ(store.statistics_files(), std::vector<std::string>{"b"});
}

TEST_F(ReportStoreTest, PagesEndWhereTheirBytesDo) {
  ReportStore store(folder_ / "r.db");
  for (uint32_t epoch = 0; epoch < 5; ++epoch) {
    store.insert(made_up_report("run", epoch), made_up_attempt(0), "f");
  }
  const server::ReportFilter all{"run", "", "", 0, {}};
  const auto first = store.list(all, std::nullopt, 100, 1, true);
  ASSERT_EQ(first.reports.size(), 1u);
  EXPECT_TRUE(first.more);
  const auto rest = store.list(all, key_of("run", 0), 100, 1 << 20, true);
  EXPECT_EQ(rest.reports.size(), 4u);
  EXPECT_FALSE(rest.more);
  EXPECT_FALSE(store.list(all, key_of("run", 0), 4, 1 << 20, false).more);
  // As many as fit, but one in any case.
  const size_t bytes = made_up_report("run", 1).ByteSizeLong();
  EXPECT_EQ(store.list(all, std::nullopt, 100, bytes * 5 / 2, true).reports.size(), 2u);
  EXPECT_EQ(store.list_by_id("run", 0, store.last_id(), 100, bytes * 5 / 2, true).size(), 2u);
  EXPECT_EQ(store.list_by_id("run", 0, store.last_id(), 100, 1, true).size(), 1u);
}

TEST_F(ReportStoreTest, DeleteTakesEverythingOfTheRun) {
  ReportStore store(folder_ / "r.db");
  store.insert(made_up_report("a", 0), made_up_attempt(0), "fa");
  store.insert(made_up_report("a", 1), made_up_attempt(0), "fa1");
  store.insert(made_up_report("b", 0), made_up_attempt(0), "fb");
  const auto deleted = store.delete_run("a");
  EXPECT_EQ(deleted.reports, 2u);
  EXPECT_EQ(deleted.files, std::vector<std::string>{"fa1"});
  EXPECT_FALSE(store.has_run("a"));
  EXPECT_TRUE(store.has_run("b"));
  EXPECT_FALSE(store.find_attempt(key_of("a", 0)));
  EXPECT_EQ(store.delete_run("a").reports, 0u);
}

TEST_F(ReportStoreTest, OtherFilesAndSchemasAreRefused) {
  write_file(folder_ / "text.db", std::string(2'000, 'x'));
  EXPECT_THROW(ReportStore(folder_ / "text.db"), DataLoss);
  { ReportStore store(folder_ / "r.db"); }
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "r.db").c_str(), &raw), SQLITE_OK);
  sqlite3_exec(raw, "PRAGMA user_version = 9", nullptr, nullptr, nullptr);
  sqlite3_close(raw);
  try {
    ReportStore store(folder_ / "r.db");
    FAIL() << "a schema of the future was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("expected schema version 3 or lower, got 9"));
  }
}

TEST_F(ReportStoreTest, HistoryIsOfTheSeriesAndGoesWithItsReports) {
  ReportStore store(folder_ / "r.db");
  for (const uint32_t epoch : {9u, 2u, 5u}) {
    store.insert(made_up_report("run", epoch), made_up_attempt(0), "f");
  }
  v1::Report other = made_up_report("run", 3);
  other.mutable_key()->set_split("test");
  store.insert(other, made_up_attempt(0), "g");
  const auto epochs = [&](const SeriesKey& key) {
    std::vector<uint32_t> out;
    for (const auto& point : store.history(key)) out.push_back(point.epoch);
    return out;
  };
  EXPECT_THAT(epochs(key_of("run", 9)), ::testing::ElementsAre(2, 5));
  EXPECT_THAT(epochs(key_of("run", 2)), ::testing::IsEmpty());
  EXPECT_THAT(epochs(key_of("else", 9)), ::testing::IsEmpty());
  EXPECT_EQ(store.history(key_of("run", 3))[0].values[server::kPinvMetric], 0.5);
  v1::Report again = made_up_report("run", 2, 1);
  again.clear_nc1();
  store.insert(again, made_up_attempt(1), "h");
  EXPECT_FALSE(store.history(key_of("run", 3))[0].values[server::kPinvMetric]);
  EXPECT_EQ(store.first_epoch(key_of("run", 9), "nc1.pinv", 1.25), 5u);
  EXPECT_FALSE(store.first_epoch(key_of("run", 4), "nc1.pinv", 1.25));
  store.delete_run("run");
  EXPECT_THAT(epochs(key_of("run", 10)), ::testing::IsEmpty());
}

TEST_F(ReportStoreTest, AFileOfTheFirstSchemaGetsItsHistory) {
  {
    ReportStore store(folder_ / "r.db");
    store.insert(made_up_report("run", 0), made_up_attempt(0), "f");
    store.insert(made_up_report("run", 1), made_up_attempt(0), "f");
  }
  spdlog::set_level(spdlog::level::off);
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "r.db").c_str(), &raw), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(raw,
                         "UPDATE reports SET report = x'ff' WHERE epoch = 0;"
                         "DROP TABLE report_values; DROP INDEX reports_by_series;"
                         "ALTER TABLE statistics DROP COLUMN attempt;"
                         "PRAGMA user_version = 1",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(raw);
  for (int reopened = 0; reopened < 2; ++reopened) {
    ReportStore store(folder_ / "r.db");
    EXPECT_FALSE(store.history(key_of("run", 2)).at(0).values[server::kPinvMetric]);
    EXPECT_EQ(store.history(key_of("run", 2)).at(1).values[server::kPinvMetric], 0.25);
    EXPECT_THROW(store.find(key_of("run", 0), true), DataLoss);
    EXPECT_TRUE(store.find(key_of("run", 1), true));
  }
}

TEST_F(ReportStoreTest, AFileOfTheSecondSchemaGetsTheAttemptsOfItsStates) {
  {
    ReportStore store(folder_ / "r.db");
    store.insert(made_up_report("run", 1, 5), made_up_attempt(5), "f");
    store.insert(made_up_report("run", 2, 3), made_up_attempt(3), "g");
    EXPECT_EQ(store.find_statistics(key_of("run", 0))->attempt, 3u);
  }
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "r.db").c_str(), &raw), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(raw,
                         "ALTER TABLE statistics DROP COLUMN attempt;"
                         "INSERT INTO statistics VALUES ('gone', 'train', 'features', 1, 'h');"
                         "PRAGMA user_version = 2",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(raw);
  for (int reopened = 0; reopened < 2; ++reopened) {
    ReportStore store(folder_ / "r.db");
    EXPECT_EQ(store.find_statistics(key_of("run", 0))->attempt, 3u);
    EXPECT_EQ(store.find_statistics(key_of("run", 0))->file, "g");
    EXPECT_EQ(store.find_statistics(key_of("gone", 0))->attempt, 0u);
  }
}

TEST(DataFolder, IsMadeLockedAndCleaned) {
  TemporaryFolder folder;
  const auto root = folder / "a/b";
  {
    DataFolder data(root);
    write_file(data.spool() / "7.spool", "left behind");
    EXPECT_THROW(DataFolder second(root), Error);
  }
  EXPECT_EQ(read_file(root / "VERSION"), "ncscope data 1\n");
  DataFolder again(root);
  EXPECT_TRUE(std::filesystem::is_empty(again.spool()));
}

TEST(DataFolder, NothingOfSomebodyElsesIsTouched) {
  for (const char* name : {"spool", "statistics"}) {
    TemporaryFolder folder;
    std::filesystem::create_directory(folder / name);
    write_file(folder / name / "thesis.csv", "mine");
    EXPECT_THROW(DataFolder(folder / "."), Error) << name;
    EXPECT_EQ(read_file(folder / name / "thesis.csv"), "mine");
  }
}

TEST(DataFolder, WhatIsNoneIsRefused) {
  TemporaryFolder folder;
  write_file(folder / "file", "x");
  EXPECT_THROW(DataFolder(folder / "file"), Error);
  EXPECT_THROW(DataFolder(folder / "file/below"), Error);
  std::filesystem::create_directory(folder / "future");
  write_file(folder / "future/VERSION", "ncscope data 9\n");
  EXPECT_THROW(DataFolder(folder / "future"), Error);
}

}  // namespace
}  // namespace ncscope::testing
