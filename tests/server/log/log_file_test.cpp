#include "server/log/log_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "server/core/errors.h"
#include "server/log/epoch_logs.h"
#include "server/log/log_rewrite.h"
#include "server/log/reader.h"
#include "tests/support/arrays.h"

namespace ncscope::testing {
namespace {

using server::Durability;
using server::EpochLogs;
using server::LogFile;
using server::LogReader;
using server::LogRewrite;
using server::RecordType;
using ::testing::HasSubstr;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

class LogFileTest : public ::testing::TestWithParam<Durability> {
 protected:
  // What a reader makes of a log: the texts of its records.
  static std::vector<std::string> texts(const std::filesystem::path& path) {
    std::vector<std::string> out;
    LogReader reader(path);
    while (const auto record = reader.next()) {
      out.emplace_back(reinterpret_cast<const char*>(record->body.data()), record->body.size());
    }
    EXPECT_EQ(reader.damage(), "");
    return out;
  }

  TemporaryFolder folder_;
  EpochLogs logs_{folder_.path(), GetParam()};
};

TEST_P(LogFileTest, WhatIsAppendedIsReadInOrder) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(3);
  EXPECT_EQ(log->size(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));  // made when it is needed
  std::vector<uint64_t> places;
  std::vector<std::string> written;
  for (const size_t size : {0, 1, 7, 8, 4096, 100'000}) {
    const std::string head(size / 2, 'a');
    const std::string tail(size - size / 2, 'b');
    places.push_back(log->append(RecordType::kBatch, {bytes(head), bytes(tail)}));
    written.push_back(head + tail);
  }
  EXPECT_EQ(texts(series->rank_path(3)), written);
  EXPECT_EQ(logs_.bytes(), static_cast<int64_t>(log->size()));
  std::vector<uint64_t> buffer;
  for (size_t i = places.size(); i-- > 0;) {
    const auto body = log->read(places[i], buffer);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(body.data()), body.size()), written[i]);
  }
}

TEST_P(LogFileTest, WhatIsTakenBackIsGone) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(0);
  log->append(RecordType::kOpen, {bytes("first")});
  const uint64_t place = log->append(RecordType::kBatch, {bytes("a long second one")});
  log->truncate(place);
  log->append(RecordType::kBatch, {bytes("third")});
  EXPECT_EQ(texts(series->rank_path(0)), (std::vector<std::string>{"first", "third"}));
}

TEST_P(LogFileTest, SequencesBecomeDurableInOrder) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(0);
  EXPECT_EQ(log->durable_sequence(), std::nullopt);
  std::mutex mutex;
  std::vector<uint64_t> seen;
  log->on_durable(1, [&] {
    const std::lock_guard lock(mutex);
    seen.push_back(*log->durable_sequence());
  });
  for (uint64_t i = 0; i < 200; ++i) {
    log->append(RecordType::kBatch, {bytes("batch")});
    log->commit(i);
  }
  log->wait_durable();
  // What is safe on the disk is counted a moment later.
  while (log->durable_sequence() != 199u) std::this_thread::yield();
  while (GetParam() == Durability::kFsync) {  // and told another moment later
    const std::lock_guard lock(mutex);
    if (!seen.empty() && seen.back() == 199u) break;
  }
  log->end_on_durable(2);  // of another owner: changes nothing
  log->end_on_durable(1);
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.empty(), GetParam() == Durability::kOs);
}

// Of two streams of a rank the later one may be the first to say whom to tell.
TEST_P(LogFileTest, AnEarlierOwnerDoesNotTakeItsPlace) {
  const auto log = logs_.new_series()->new_rank(0);
  int newer = 0;
  int older = 0;
  log->on_durable(2, [&] { ++newer; });
  log->on_durable(
      1, [&] { ++older; }, [] { return false; });
  EXPECT_EQ(older, 1);  // so that it sees that it is over
  log->end_on_durable(1);
  log->tell();
  EXPECT_EQ(older, 1);
  EXPECT_EQ(newer, 1);
  log->on_durable(3, [] {});
  EXPECT_EQ(newer, 2);
}

TEST_P(LogFileTest, NothingIsWrittenToALogThatIsGone) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(0);
  log->close();  // before its first record
  EXPECT_THROW(log->append(RecordType::kOpen, {}), server::FailedPrecondition);
  EXPECT_NE(log->failure(), "");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_P(LogFileTest, WhatSaysNothingIsSetAside) {
  const auto series = logs_.new_series();
  series->new_rank(0)->append(RecordType::kOpen, {bytes("x")});
  series->set_aside();
  EXPECT_TRUE(logs_.found().empty());
  EXPECT_TRUE(std::filesystem::exists(series->folder().string() + ".damaged"));
}

TEST_P(LogFileTest, AResumedLogGoesOnBehindWhatIsGood) {
  const auto series = logs_.new_series();
  uint64_t good = 0;
  {
    const auto log = series->new_rank(0);
    log->append(RecordType::kOpen, {bytes("kept")});
    good = log->size();
    log->append(RecordType::kBatch, {bytes("lost")});
  }
  EXPECT_EQ(logs_.bytes(), 0);
  const auto log = series->new_rank(0);
  log->resume(good);
  EXPECT_EQ(log->size(), good);
  log->append(RecordType::kBatch, {bytes("new")});
  log->commit(0);
  log->wait_durable();
  EXPECT_EQ(texts(series->rank_path(0)), (std::vector<std::string>{"kept", "new"}));
}

TEST_P(LogFileTest, RemovedLogsAreNotFoundAgain) {
  const auto kept = logs_.new_series();
  const auto gone = logs_.new_series();
  const auto log = gone->new_rank(0);
  log->append(RecordType::kOpen, {bytes("x")});
  kept->new_rank(0)->append(RecordType::kOpen, {bytes("x")});
  log->commit(0);
  log->close();
  gone->remove(true);
  log->wait_durable();
  EXPECT_THROW(log->append(RecordType::kBatch, {}), server::FailedPrecondition);
  std::filesystem::create_directory(folder_ / "5-5.gone");  // half removed
  const auto found = logs_.found();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]->folder(), kept->folder());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "5-5.gone"));
}

// Files of this process may not be larger than so much while this lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_P(LogFileTest, AFullDiskLeavesTheLogAsItWas) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(0);
  log->append(RecordType::kOpen, {bytes("first")});
  const uint64_t size = log->size();
  const std::string large(10'000, 'x');
  {
    const FileLimit limit(5'000);
    try {
      log->append(RecordType::kBatch, {bytes(large)});
      FAIL() << "expected a refusal";
    } catch (const server::ResourceExhausted& error) {
      EXPECT_THAT(error.what(), HasSubstr("make room in the data folder"));
    }
    EXPECT_TRUE(logs_.failing());
    EXPECT_EQ(log->size(), size);
    EXPECT_EQ(texts(series->rank_path(0)), std::vector<std::string>{"first"});
    log->append(RecordType::kBatch, {bytes("small")});  // this fits
    EXPECT_FALSE(logs_.failing());
  }
  log->append(RecordType::kBatch, {bytes(large)});
  EXPECT_EQ(texts(series->rank_path(0)), (std::vector<std::string>{"first", "small", large}));
  EXPECT_EQ(logs_.failures(), 1u);
}

TEST_P(LogFileTest, AFolderThatCannotBeMadeIsSaid) {
  EpochLogs logs(folder_ / "none", GetParam());
  const auto log = logs.new_series()->new_rank(0);
  EXPECT_THROW(log->append(RecordType::kOpen, {}), server::ResourceExhausted);
  std::filesystem::create_directory(folder_ / "none");
  log->append(RecordType::kOpen, {});
  EXPECT_GT(log->size(), 0u);
}

TEST_P(LogFileTest, ANewFileTakesItsPlace) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(0);
  std::atomic<int> told = 0;
  log->on_durable(1, [&] { ++told; });
  const uint64_t open = log->append(RecordType::kOpen, {bytes("open")});
  log->append(RecordType::kBatch, {bytes(std::string(100'000, 'a'))});
  const uint64_t last = log->append(RecordType::kBatch, {bytes("last")});
  log->commit(1);
  LogRewrite rewrite(*log);
  EXPECT_EQ(rewrite.copy(RecordType::kOpen, open), 0u);
  rewrite.append(RecordType::kBatch, [](const LogRewrite::Sink& sink) {
    for (const std::string piece : {"in", "", " pieces"}) sink(bytes(piece));
  });
  const uint64_t place = rewrite.copy(RecordType::kBatch, last);
  rewrite.finish();
  log->tell();
  EXPECT_EQ(log->durable_sequence(), 1u);  // all that it stands for is safe
  EXPECT_GE(told, 1);
  log->end_on_durable(1);
  log->append(RecordType::kBatch, {bytes("more")});
  log->wait_durable();
  const std::vector<std::string> expected = {"open", "in pieces", "last", "more"};
  EXPECT_EQ(texts(series->rank_path(0)), expected);
  EXPECT_EQ(log->size(), std::filesystem::file_size(series->rank_path(0)));
  EXPECT_EQ(logs_.bytes(), static_cast<int64_t>(log->size()));
  std::vector<uint64_t> buffer;
  const auto body = log->read(place, buffer);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(body.data()), body.size()), "last");
}

TEST_P(LogFileTest, ANewFileThatIsNotFinishedIsNothing) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(0);
  log->append(RecordType::kOpen, {bytes("open")});
  {
    LogRewrite rewrite(*log);
    rewrite.append(RecordType::kOpen, {bytes("another")});
  }
  EXPECT_EQ(texts(series->rank_path(0)), std::vector<std::string>{"open"});
  const auto files = std::filesystem::directory_iterator(series->folder());
  EXPECT_EQ(std::distance(files, {}), 1);
}

// Syncs of the old file are under way while the new one takes its place.
TEST_P(LogFileTest, SyncsAndNewFilesTakeTurns) {
  const auto series = logs_.new_series();
  const auto log = series->new_rank(0);
  std::atomic<uint64_t> received = 0;
  std::atomic<bool> ahead = false;
  log->on_durable(1, [&] {
    if (log->durable_sequence().value_or(0) > received) ahead = true;
  });
  uint64_t open = log->append(RecordType::kOpen, {bytes("open")});
  for (uint64_t i = 1; i <= 300; ++i) {
    log->append(RecordType::kBatch, {bytes("batch")});
    received = i;
    log->commit(i);
    if (i % 3 != 0) continue;
    LogRewrite rewrite(*log);
    open = rewrite.copy(RecordType::kOpen, open);
    rewrite.finish();
    EXPECT_EQ(log->durable_sequence(), i);
  }
  log->append(RecordType::kBatch, {bytes("end")});
  log->wait_durable();
  log->end_on_durable(1);
  EXPECT_FALSE(ahead);
  EXPECT_EQ(texts(series->rank_path(0)), (std::vector<std::string>{"open", "end"}));
}

TEST_P(LogFileTest, TheBudgetIsShared) {
  EpochLogs logs(folder_.path(), GetParam(), 1000);
  const auto series = logs.new_series();
  const auto first = series->new_rank(0);
  const auto second = series->new_rank(1);
  first->append(RecordType::kBatch, {bytes(std::string(800, 'a'))});
  EXPECT_FALSE(first->beyond_share());
  second->append(RecordType::kBatch, {bytes(std::string(300, 'b'))});
  EXPECT_EQ(logs.share(), 1000 - second->size());  // what the small one leaves
  EXPECT_TRUE(first->beyond_share());
  EXPECT_FALSE(second->beyond_share());
  second->append(RecordType::kBatch, {bytes(std::string(300, 'b'))});
  EXPECT_EQ(logs.share(), 500u);
  EXPECT_TRUE(second->beyond_share());
  second->close();
  EXPECT_EQ(logs.share(), 1000u);
  EXPECT_FALSE(first->beyond_share());
}

INSTANTIATE_TEST_SUITE_P(Durabilities, LogFileTest,
                         ::testing::Values(Durability::kOs, Durability::kFsync),
                         [](const auto& info) {
                           return info.param == Durability::kOs ? "os" : "fsync";
                         });

}  // namespace
}  // namespace ncscope::testing
