// The small parts of the core, one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "kernels/batch.h"
#include "kernels/errors.h"
#include "server/address.h"
#include "server/core/errors.h"
#include "server/core/memory_budget.h"
#include "server/core/page_token.h"
#include "server/core/report_hub.h"
#include "server/core/sample_ids.h"
#include "server/core/series_key.h"
#include "server/core/text.h"

namespace ncscope::testing {
namespace {

using server::Address;
using server::MemoryBudget;
using server::PublishedReport;
using server::ReportHub;
using server::Reservation;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(MemoryBudget, GivesBackWhatEnds) {
  MemoryBudget budget(100, "--that-memory");
  {
    Reservation a = budget.reserve(60, "a");
    EXPECT_THROW(budget.reserve(41, "b"), server::ResourceExhausted);
    Reservation b = budget.reserve(40, "b");
    EXPECT_EQ(budget.used(), 100u);
    a.absorb(std::move(b));
    EXPECT_EQ(a.bytes(), 100u);
    Reservation c = std::move(a);
    EXPECT_EQ(budget.used(), 100u);
    c.release();
    EXPECT_EQ(budget.used(), 0u);
  }
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_THROW(budget.reserve(SIZE_MAX, "all"), server::ResourceExhausted);
}

TEST(MemoryBudget, NamesItsOption) {
  MemoryBudget budget(100, "--that-memory");
  const Reservation most = budget.reserve(60, "a");
  const auto refusal = [&](size_t bytes) {
    try {
      budget.reserve(bytes, "b");
    } catch (const server::ResourceExhausted& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal(41), AllOf(HasSubstr("try again"), HasSubstr("raise --that-memory")));
  EXPECT_THAT(refusal(101), AllOf(Not(HasSubstr("try again")), HasSubstr("raise --that-memory")));
}

PublishedReport published(int64_t id, const std::string& run) {
  auto report = std::make_shared<v1::Report>();
  report->mutable_key()->set_run(run);
  return {id, report};
}

constexpr milliseconds kNow{0};

TEST(ReportHub, SubscribersGetTheirRunInOrder) {
  ReportHub hub;
  const auto all = hub.subscribe("");
  const auto one = hub.subscribe("b");
  hub.publish(published(1, "a"));
  hub.publish(published(2, "b"));
  EXPECT_EQ(all->next(kNow)->id, 1);
  EXPECT_EQ(all->next(kNow)->id, 2);
  EXPECT_EQ(one->next(kNow)->id, 2);
  EXPECT_FALSE(one->next(milliseconds(1)));
}

TEST(ReportHub, ASlowSubscriberIsTold) {
  ReportHub hub({.reports = 2});
  const auto slow = hub.subscribe("");
  for (int64_t id = 1; id <= 4; ++id) hub.publish(published(id, "a"));
  EXPECT_EQ(slow->next(kNow)->id, 1);
  EXPECT_EQ(slow->next(kNow)->id, 2);
  EXPECT_THROW(slow->next(kNow), server::ResourceExhausted);
}

TEST(ReportHub, LargeReportsAreBoundedByTheirBytes) {
  ReportHub hub({.reports = 10, .bytes = 100});
  const auto slow = hub.subscribe("");
  const std::string long_name(90, 'r');
  hub.publish(published(1, long_name + long_name));  // one may always wait
  EXPECT_EQ(slow->next(kNow)->id, 1);
  hub.publish(published(2, long_name));
  EXPECT_EQ(slow->next(kNow)->id, 2);
  hub.publish(published(3, long_name));
  hub.publish(published(4, long_name));
  EXPECT_EQ(slow->next(kNow)->id, 3);
  EXPECT_THROW(slow->next(kNow), server::ResourceExhausted);
}

TEST(ReportHub, CloseEndsEveryone) {
  ReportHub hub({.reports = 2});
  const auto early = hub.subscribe("");
  hub.publish(published(1, "a"));
  hub.close();
  EXPECT_EQ(early->next(kNow)->id, 1);
  EXPECT_THROW(early->next(kNow), server::Unavailable);
  EXPECT_THROW(hub.subscribe("")->next(kNow), server::Unavailable);
}

TEST(ReportHub, VersionWakesWaiters) {
  ReportHub hub({.reports = 2});
  const uint64_t seen = hub.version();
  auto waiter =
      std::async(std::launch::async, [&] { hub.wait_for_change(seen, milliseconds(60'000)); });
  hub.publish(published(1, "a"));
  EXPECT_EQ(waiter.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_NE(hub.version(), seen);
}

TEST(SampleIds, ClaimsAreTakenBack) {
  MemoryBudget budget(1 << 20, "--that-memory");
  server::SampleIds ids;
  const std::vector<int32_t> labels = {0, 1, kDroppedRow, 0};
  const auto first = ids.claim(std::vector<uint64_t>{1, 2, 3, 1}, labels.data(), 0, budget);
  EXPECT_EQ(first.duplicates, std::vector<size_t>{3});
  EXPECT_EQ(ids.duplicates(), 1u);
  ids.give_back(first);
  EXPECT_EQ(ids.duplicates(), 0u);
  const auto second = ids.claim(std::vector<uint64_t>{1, 2, 3, 4}, labels.data(), 0, budget);
  EXPECT_TRUE(second.duplicates.empty());
  const auto third = ids.claim(std::vector<uint64_t>{3, 4}, labels.data(), 0, budget);
  EXPECT_EQ(third.duplicates, std::vector<size_t>{1});  // 3 was of a dropped row
  ids.claim(std::vector<uint64_t>{5, 6}, labels.data(), 1, budget);
  auto of_first = ids.of_rank(0);
  std::ranges::sort(of_first);
  EXPECT_EQ(of_first, (std::vector<uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(ids.of_rank(1).size(), 2u);
  ids.clear();
  EXPECT_EQ(budget.used(), 0u);
  MemoryBudget none(0, "--that-memory");
  EXPECT_THROW(ids.claim(std::vector<uint64_t>{9}, labels.data(), 0, none),
               server::ResourceExhausted);
}

TEST(PageToken, IsReadBack) {
  server::RunPageToken runs;
  runs.before_id = 42;
  EXPECT_EQ(server::parse_run_token(server::write_token(runs)).before_id, 42);
  runs.after_run = "o.x";
  EXPECT_EQ(server::parse_run_token(server::write_token(runs)).after_run, "o.x");
  const server::SeriesKey key{"run", 3, "train", "features"};
  EXPECT_EQ(server::parse_report_token("run", server::write_token(server::key_message(key))), key);
}

TEST(Text, IsPrintable) {
  EXPECT_EQ(server::printable("a\nb\x01\xff"), "a?b??");
  EXPECT_EQ(server::printable(std::string(1'000, 'x')), std::string(128, 'x') + "...");
  EXPECT_EQ(server::format_bytes(512), "512 B");
  EXPECT_EQ(server::format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(server::format_bytes(size_t{3} << 30), "3.0 GiB");
}

TEST(Address, IsParsedAndJudged) {
  const Address address = server::parse_address("127.0.0.1:50051");
  EXPECT_EQ(address.host, "127.0.0.1");
  EXPECT_EQ(address.port, 50051);
  EXPECT_EQ(server::format_address(server::parse_address("[::1]:0")), "[::1]:0");
  for (const char* loopback : {"127.0.0.1:1", "127.8.9.1:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(server::is_loopback(server::parse_address(loopback))) << loopback;
  }
  for (const char* open : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.evil.com:1", "host:1"}) {
    EXPECT_FALSE(server::is_loopback(server::parse_address(open))) << open;
  }
  for (const char* bad : {"", "host", ":1", "host:", "host:x", "host:65536", "host:-1", "::1:1"}) {
    EXPECT_THROW(server::parse_address(bad), InvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace ncscope::testing
