// Reports and runs, as they are asked for.
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

class QueryTest : public ::testing::Test {
 protected:
  QueryTest() : samples_(make_samples(40, 5, 3, DType::kFloat32, 80)) {}

  void report(const std::string& run, uint32_t epoch, const std::string& split = "train",
              const std::string& layer = "features") {
    v1::Open open = open_for(samples_, run);
    open.mutable_key()->set_epoch(epoch);
    open.mutable_key()->set_split(split);
    open.mutable_key()->set_layer(layer);
    ASSERT_TRUE(stream_all(live_.stub(), open, samples_, 20));
  }

  v1::ListReportsResponse list(const v1::ListReportsRequest& request) {
    v1::ListReportsResponse response;
    const auto context = bounded_context();
    const grpc::Status status = live_.stub().ListReports(context.get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  v1::ListRunsResponse list_runs(uint32_t page_size, const std::string& token) {
    v1::ListRunsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    v1::ListRunsResponse response;
    const auto context = bounded_context();
    EXPECT_TRUE(live_.stub().ListRuns(context.get(), request, &response).ok());
    return response;
  }

  LiveServer live_;
  const Samples samples_;
};

TEST_F(QueryTest, LayersOfTheSameEpochAndSplit) {
  const auto layer = [&](const std::string& name, uint32_t depth, size_t dim,
                         const std::string& split = "train", uint32_t epoch = 1) {
    const Samples samples = make_samples(60, dim, 3, DType::kFloat32, depth);
    v1::Open open = open_for(samples);
    open.mutable_key()->set_epoch(epoch);
    open.mutable_key()->set_split(split);
    open.mutable_key()->set_layer(name);
    open.set_depth(depth);
    const auto closed = stream_all(live_.stub(), open, samples, 20);
    EXPECT_TRUE(closed && closed->has_report());
    EXPECT_EQ(closed->report().layers_size(), 0);
    return closed->report();
  };
  v1::WatchReportsRequest watch;
  watch.set_include_layers(true);
  watch.set_run("run");
  const auto context = bounded_context();
  const auto reader = live_.stub().WatchReports(context.get(), watch);
  reader->WaitForInitialMetadata();

  layer("a", 7, 6);
  layer("z", 2, 9);
  const v1::Report b = layer("b", 7, 5);
  layer("other", 1, 4, "train", 2);
  layer("test", 1, 4, "test");
  const v1::Report top = layer("top", 11, 3);

  v1::GetReportRequest request;
  *request.mutable_key() = top.key();
  const auto get = [&] {
    v1::GetReportResponse response;
    const auto get_context = bounded_context();
    EXPECT_TRUE(live_.stub().GetReport(get_context.get(), request, &response).ok());
    return response.report();
  };
  EXPECT_EQ(get().layers_size(), 0);
  request.set_include_layers(true);
  const v1::Report full = get();
  ASSERT_EQ(full.layers_size(), 3);
  EXPECT_EQ(full.layers(0).layer(), "z");
  EXPECT_EQ(full.layers(1).layer(), "a");
  EXPECT_EQ(full.layers(2).layer(), "b");
  EXPECT_EQ(full.layers(0).dim(), 9u);
  EXPECT_EQ(full.layers(2).dim(), 5u);
  EXPECT_EQ(full.layers(2).depth(), 7u);
  EXPECT_EQ(full.layers(2).nc1().SerializeAsString(), b.nc1().SerializeAsString());
  EXPECT_EQ(full.layers(2).nc2().means().SerializeAsString(), b.nc2().means().SerializeAsString());
  EXPECT_FALSE(full.layers(2).nc2().has_classifier());
  EXPECT_EQ(full.layers(2).nc3().SerializeAsString(), b.nc3().SerializeAsString());
  EXPECT_EQ(full.layers(2).nc4().SerializeAsString(), b.nc4().SerializeAsString());
  EXPECT_EQ(full.layers(2).spectrum().SerializeAsString(), b.spectrum().SerializeAsString());

  v1::ListReportsRequest listed;
  listed.set_run("run");
  listed.set_include_layers(true);
  std::vector<int> layers;
  const auto all = list(listed);
  for (const v1::Report& report : all.reports()) layers.push_back(report.layers_size());
  EXPECT_EQ(layers, (std::vector<int>{0, 3, 3, 3, 3, 0}));  // test first, epoch 2 last

  // Watchers get what is there when a report is sent.
  v1::WatchReportsResponse response;
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.report().key().layer(), "top");
  EXPECT_EQ(response.report().layers_size(), 3);
  context->TryCancel();
  while (reader->Read(&response)) {
  }
  reader->Finish();
}

TEST_F(QueryTest, ReportsComeByEpochSplitAndLayer) {
  report("run", 2);
  report("run", 0, "train", "b");
  report("run", 0, "test", "a");
  report("run", 0, "train", "a");
  report("run", 10);
  report("other", 1);
  v1::ListReportsRequest request;
  request.set_run("run");
  const auto name = [](const v1::Report& r) {
    return std::to_string(r.key().epoch()) + "/" + r.key().split() + "/" + r.key().layer();
  };
  const std::vector<std::string> expected = {"0/test/a", "0/train/a", "0/train/b",
                                             "2/train/features", "10/train/features"};
  for (const uint32_t page_size : {0u, 1u, 2u, 5u}) {
    std::vector<std::string> names;
    request.set_page_size(page_size);
    request.clear_page_token();
    do {
      const auto page = list(request);
      EXPECT_LE(page.reports_size(), page_size == 0 ? 100 : static_cast<int>(page_size));
      for (const auto& r : page.reports()) {
        names.push_back(name(r));
        EXPECT_EQ(r.classes_size(), 0);
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(names, expected);
  }
  request.set_page_size(0);
  request.set_split("train");
  EXPECT_EQ(list(request).reports_size(), 4);
  request.set_layer("a");
  EXPECT_EQ(list(request).reports_size(), 1);
  request.clear_split();
  request.clear_layer();
  request.set_min_epoch(1);
  request.set_max_epoch(2);
  request.set_include_classes(true);
  const auto page = list(request);
  ASSERT_EQ(page.reports_size(), 1);
  EXPECT_EQ(page.reports(0).classes_size(), 3);
}

TEST_F(QueryTest, RunsComeMostRecentlyReportedFirst) {
  report("a", 0);
  report("b", 3);
  report("b", 4);
  report("c", 1);
  report("a", 1);
  StreamCall streaming(live_.stub());
  ASSERT_TRUE(streaming.open(open_for(samples_, "open")));
  StreamCall more(live_.stub());
  v1::Open next = open_for(samples_, "b");
  next.mutable_key()->set_epoch(5);
  ASSERT_TRUE(more.open(next));
  for (const uint32_t page_size : {0u, 1u, 3u, 4u}) {
    std::vector<v1::ListRunsResponse::Run> runs;
    std::string token;
    do {
      const auto page = list_runs(page_size, token);
      runs.insert(runs.end(), page.runs().begin(), page.runs().end());
      token = page.next_page_token();
    } while (!token.empty());
    ASSERT_EQ(runs.size(), 4u);
    EXPECT_EQ(runs[0].run(), "a");
    EXPECT_EQ(runs[0].reports(), 2u);
    EXPECT_EQ(runs[0].first_epoch(), 0u);
    EXPECT_EQ(runs[0].last_epoch(), 1u);
    EXPECT_TRUE(runs[0].has_updated_at());
    EXPECT_EQ(runs[1].run(), "c");
    EXPECT_EQ(runs[2].run(), "b");
    EXPECT_EQ(runs[2].open_series(), 1u);
    EXPECT_EQ(runs[3].run(), "open");
    EXPECT_EQ(runs[3].reports(), 0u);
    EXPECT_EQ(runs[3].open_series(), 1u);
  }
}

TEST_F(QueryTest, WhatIsNotThereIsNotFound) {
  report("run", 0);
  v1::Report found;
  v1::SeriesKey key;
  key.set_run("run");
  key.set_epoch(1);
  expect_status(live_.get_report(key, found), grpc::NOT_FOUND, {"run 'run', epoch 1"});
  v1::ListReportsRequest request;
  request.set_run("none");
  v1::ListReportsResponse response;
  expect_status(live_.stub().ListReports(bounded_context().get(), request, &response),
                grpc::NOT_FOUND, {"'none'"});
  request.set_run("run");
  for (const char* token : {"x", "1/2", "x/y/z", "r1"}) {
    request.set_page_token(token);
    expect_status(live_.stub().ListReports(bounded_context().get(), request, &response),
                  grpc::INVALID_ARGUMENT, {"page_token"});
  }
  v1::ListRunsRequest runs;
  runs.set_page_token("x");
  v1::ListRunsResponse runs_response;
  expect_status(live_.stub().ListRuns(bounded_context().get(), runs, &runs_response),
                grpc::INVALID_ARGUMENT, {"page_token"});
}

TEST_F(QueryTest, WaitingEndsWithTheDeadlineOrTheCaller) {
  v1::GetReportRequest request;
  request.mutable_key()->set_run("never");
  request.set_wait(true);
  v1::GetReportResponse response;
  grpc::ClientContext brief;
  brief.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  expect_status(live_.stub().GetReport(&brief, request, &response), grpc::DEADLINE_EXCEEDED);
  grpc::ClientContext cancelled;
  std::thread canceller([&] { cancelled.TryCancel(); });
  expect_status(live_.stub().GetReport(&cancelled, request, &response), grpc::CANCELLED);
  canceller.join();
}

TEST_F(QueryTest, OmitClassesLeavesTheTableOut) {
  report("run", 0);
  v1::GetReportRequest request;
  request.mutable_key()->set_run("run");
  v1::GetReportResponse with;
  v1::GetReportResponse without;
  ASSERT_TRUE(live_.stub().GetReport(bounded_context().get(), request, &with).ok());
  request.set_omit_classes(true);
  ASSERT_TRUE(live_.stub().GetReport(bounded_context().get(), request, &without).ok());
  EXPECT_EQ(with.report().classes_size(), 3);
  EXPECT_EQ(without.report().classes_size(), 0);
  with.mutable_report()->clear_classes();
  EXPECT_EQ(with.SerializeAsString(), without.SerializeAsString());
}

TEST_F(QueryTest, DeleteTakesReportsStatesAndOpenSeries) {
  report("run", 0);
  report("run", 1);
  report("other", 0);
  StreamCall open(live_.stub());
  v1::Open next = open_for(samples_, "run");
  next.mutable_key()->set_epoch(2);
  ASSERT_TRUE(open.open(next));
  v1::DeleteRunRequest request;
  request.set_run("run");
  v1::DeleteRunResponse response;
  ASSERT_TRUE(live_.stub().DeleteRun(bounded_context().get(), request, &response).ok());
  EXPECT_EQ(response.deleted_reports(), 2u);
  EXPECT_FALSE(open.batch(batch_of(samples_, 0, 0, 40)));
  expect_status(open.finish(), grpc::ABORTED, {"'run' was deleted"});
  expect_status(live_.stub().DeleteRun(bounded_context().get(), request, &response),
                grpc::NOT_FOUND, {"'run'"});
  v1::Report found;
  v1::SeriesKey key;
  key.set_run("run");
  expect_status(live_.get_report(key, found), grpc::NOT_FOUND);
  key.set_run("other");
  EXPECT_TRUE(live_.get_report(key, found).ok());
  const std::filesystem::directory_iterator files(live_.folder() / "data" / "statistics");
  EXPECT_EQ(std::distance(files, std::filesystem::directory_iterator()), 1);
  EXPECT_EQ(live_.server().engine().services().memory.used(), 0u);
  report("run", 0);  // the name is free again
}

}  // namespace
}  // namespace ncscope::testing
