// Epochs whose ranks do not come back: lost, resumed, reported in part.
#include <gmock/gmock.h>

#include "tests/server/core/restart_fixture.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;
using Series = v1::ListSeriesResponse;

class LifecycleTest : public RestartFixture {
 protected:
  LifecycleTest() { open_.set_world_size(3); }

  v1::Open open_of(uint32_t rank) const {
    v1::Open open = open_;
    open.set_rank(rank);
    return open;
  }
  Samples part(uint32_t rank) const { return samples_.slice(rank * 40, 40); }
  std::unique_ptr<server::Session> begin(uint32_t rank, size_t batches) {
    auto session = engine().open(open_of(rank));
    const auto all = batches_of(part(rank), 10);
    for (size_t i = 0; i < batches; ++i) session->add_batch(incoming(all[i], *session));
    return session;
  }
  v1::ListSeriesResponse::Series listed() {
    const auto response = engine().list_series({});
    EXPECT_EQ(response.series_size(), 1);
    return response.series(0);
  }
  v1::ReportPartialResponse report_partial() {
    v1::ReportPartialRequest request;
    *request.mutable_key() = open_.key();
    return engine().report_partial(request);
  }
  // What a waiting GetReport says.
  std::string wait_refusal() {
    v1::GetReportRequest request;
    *request.mutable_key() = open_.key();
    request.set_wait(true);
    try {
      engine().get_report(request, [] { return false; });
    } catch (const server::FailedPrecondition& error) {
      return error.what();
    }
    return "";
  }
  void let_leases_end() {
    limits_.lease = std::chrono::milliseconds(1);
    restart();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  const Samples samples_ = make_samples(120, 6, 4, DType::kFloat32, 5);
  v1::Open open_ = open_for(samples_);
};

TEST_F(LifecycleTest, WhatIsMissingIsListed) {
  send_rest(open_of(0), part(0), 10);
  const auto session = begin(1, 2);
  const Series::Series series = listed();
  EXPECT_EQ(series.key().run(), "run");
  EXPECT_EQ(series.state(), Series::STATE_STREAMING);
  EXPECT_EQ(series.world_size(), 3u);
  EXPECT_EQ(series.closed_ranks(), 1u);
  ASSERT_EQ(series.missing_size(), 2);
  EXPECT_EQ(series.missing(0).rank(), 1u);
  EXPECT_TRUE(series.missing(0).connected());
  EXPECT_EQ(series.missing(0).batches(), 2u);
  EXPECT_EQ(series.missing(0).absent_seconds(), 0);
  EXPECT_EQ(series.missing(1).rank(), 2u);
  EXPECT_FALSE(series.missing(1).connected());
  EXPECT_GT(series.missing(1).absent_seconds(), 0);
  v1::ListSeriesRequest other;
  other.set_run("other");
  EXPECT_THROW(engine().list_series(other), server::NotFound);
}

TEST_F(LifecycleTest, ARankThatStaysAwayIsLostAndMayComeBack) {
  send_rest(open_of(0), part(0), 10);
  send_rest(open_of(2), part(2), 10);
  begin(1, 2);
  let_leases_end();
  EXPECT_EQ(listed().state(), Series::STATE_LOST);
  EXPECT_EQ(listed().missing(0).batches(), 2u);
  const auto runs = engine().list_runs({});
  ASSERT_EQ(runs.runs_size(), 1);
  EXPECT_EQ(runs.runs(0).lost_series(), 1u);
  EXPECT_THAT(wait_refusal(), HasSubstr("rank 1 has not closed after 2 batches"));
  EXPECT_THAT(wait_refusal(), HasSubstr("open it again to go on"));
  {
    const auto session = engine().open(open_of(1));
    EXPECT_EQ(session->next_sequence(), 2u);
    EXPECT_EQ(listed().state(), Series::STATE_STREAMING);
  }
  const auto result = send_rest(open_of(1), part(1), 10);
  ASSERT_TRUE(result.report);
  EXPECT_FALSE(result.report->partial());
  EXPECT_EQ(difference(local_report(samples_), *result.report, 1e-6), "");
}

TEST_F(LifecycleTest, ARankThatNeverCameIsLostToo) {
  limits_.lease = std::chrono::milliseconds(1);
  send_rest(open_of(0), part(0), 10);
  const auto session = begin(1, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(listed().state(), Series::STATE_LOST);
  EXPECT_THAT(wait_refusal(), HasSubstr("rank 2 has not closed after 0 batches"));
}

TEST_F(LifecycleTest, APartialReportIsOfWhatHasCome) {
  EXPECT_THROW(report_partial(), server::NotFound);
  {
    const auto session = begin(1, 0);
    EXPECT_THROW(report_partial(), server::FailedPrecondition);  // it is being streamed
  }
  EXPECT_THROW(report_partial(), server::FailedPrecondition);  // no sample yet
  send_rest(open_of(0), part(0), 10);
  begin(1, 3);
  const auto response = report_partial();
  ASSERT_TRUE(response.has_report());
  EXPECT_TRUE(response.report().partial());
  EXPECT_EQ(response.report().data().samples(), 70u);
  v1::Report report = response.report();
  report.clear_partial();
  EXPECT_EQ(difference(local_report(samples_.slice(0, 70)), report, 1e-6), "");
  EXPECT_EQ(engine().registry().size(), 0u);
  EXPECT_TRUE(logs().empty());
  EXPECT_EQ(services().memory.used(), 0u);
  // The rank that was left out may not go on; a higher attempt measures anew.
  const auto session = engine().open(open_of(1));
  EXPECT_EQ(session->next_sequence(), 3u);
  EXPECT_THROW(session->add_batch(incoming(batches_of(part(1), 10)[3], *session)),
               server::AlreadyExists);
}

TEST_F(LifecycleTest, APartialReportSurvivesARestart) {
  send_rest(open_of(0), part(0), 10);
  begin(1, 3);
  // The state of train cannot be stored: the ranks are closed, and the report is not made.
  const auto folder = data() / "statistics";
  std::filesystem::rename(folder, folder_ / "aside");
  EXPECT_THROW(report_partial(), server::ResourceExhausted);
  std::filesystem::rename(folder_ / "aside", folder);
  EXPECT_EQ(listed().state(), Series::STATE_COMPLETE);
  restart();
  EXPECT_EQ(listed().state(), Series::STATE_COMPLETE);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!report(open_) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ASSERT_TRUE(report(open_));
  EXPECT_TRUE(report(open_)->partial());
  EXPECT_EQ(report(open_)->data().samples(), 70u);
}

}  // namespace
}  // namespace ncscope::testing
