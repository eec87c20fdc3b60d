// Reports of other splits than train are judged against the class means of train.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

const Samples kAll = make_samples(500, 10, 4, DType::kFloat32, 90);
const Samples kTrain = kAll.slice(0, 300);
const Samples kTest = kAll.slice(300, 120);
const Samples kOod = make_samples(80, 10, 4, DType::kFloat32, 91);

v1::Open open_of(const Samples& samples, const std::string& split, uint32_t epoch = 0) {
  v1::Open open = open_for(samples);
  open.mutable_key()->set_split(split);
  open.mutable_key()->set_epoch(epoch);
  return open;
}

// Everything but the Close.
void send(StreamCall& call, const v1::Open& open, const Samples& samples) {
  ASSERT_TRUE(call.open(open));
  ASSERT_TRUE(call.batch(batch_of(samples, 0, 0, samples.rows())));
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) call.chunk(chunk);
}

std::vector<std::string> warnings(const v1::Report& report) {
  std::vector<std::string> out;
  for (const v1::Warning& warning : report.warnings()) {
    out.push_back(warning.code() + ": " + warning.message());
  }
  return out;
}

std::string reason(const v1::Report& report, const std::string& metric) {
  for (const v1::Undefined& entry : report.undefined()) {
    if (entry.metric() == metric) return entry.reason();
  }
  return "";
}

class SplitTest : public ::testing::Test {
 protected:
  v1::Report report_of(const Samples& samples, const std::string& split, uint32_t epoch = 0) {
    const auto closed = stream_all(live_.stub(), open_of(samples, split, epoch), samples, 64);
    EXPECT_TRUE(closed && closed->has_report());
    return closed ? closed->report() : v1::Report();
  }

  // Streams all of a split whose report must wait.
  void hold(const Samples& samples, const v1::Open& open) {
    const auto closed = stream_all(live_.stub(), open, samples, 64);
    ASSERT_TRUE(closed);
    EXPECT_FALSE(closed->has_report());
    EXPECT_EQ(closed->closed_ranks(), closed->world_size());
    expect_missing(open.key());
  }

  void expect_missing(const v1::SeriesKey& key) {
    v1::Report report;
    expect_status(live_.get_report(key, report), grpc::NOT_FOUND);
  }

  server::Engine& engine() { return live_.server().engine(); }

  LiveServer live_;
};

TEST_F(SplitTest, TrainMeansAreTheCenters) {
  EXPECT_EQ(difference(local_report(kTrain), report_of(kTrain, "train", 7), 1e-15), "");
  const v1::Report test = report_of(kTest, "test", 7);
  EXPECT_EQ(difference(local_report(kTest, &kTrain), test, 1e-15), "");
  EXPECT_EQ(test.nc4().centers().split(), "train");
  EXPECT_EQ(test.nc4().centers().epoch(), 7u);
  EXPECT_EQ(test.warnings_size(), 0);
  EXPECT_DOUBLE_EQ(test.test_collapse().weak(), test.nc1().quotient());
  EXPECT_GT(test.test_collapse().strong(), test.test_collapse().weak());
  EXPECT_FALSE(test.has_nc5());
}

TEST_F(SplitTest, OneThreadMayCloseTestBeforeTrain) {
  StreamCall train(live_.stub()), test(live_.stub());
  send(train, open_of(kTrain, "train"), kTrain);
  send(test, open_of(kTest, "test"), kTest);
  const auto waits = test.close(1);
  ASSERT_TRUE(waits);
  EXPECT_FALSE(waits->has_report());
  EXPECT_EQ(waits->closed_ranks(), 1u);
  EXPECT_TRUE(test.finish().ok());
  expect_missing(open_of(kTest, "test").key());
  const auto closed = train.close(1);
  ASSERT_TRUE(closed && closed->has_report());
  v1::Report report;  // is there when train's Close is answered
  ASSERT_TRUE(live_.get_report(open_of(kTest, "test").key(), report).ok());
  EXPECT_EQ(difference(local_report(kTest, &kTrain), report, 1e-15), "");
  EXPECT_EQ(engine().registry().size(), 0u);
  EXPECT_EQ(engine().services().memory.used(), 0u);
  EXPECT_EQ(engine().services().samples.memory_used(), 0u);
}

TEST_F(SplitTest, RanksWaitersAndRepeatedCloses) {
  StreamCall train(live_.stub());
  send(train, open_of(kTrain, "train"), kTrain);
  v1::Open open = open_of(kTest, "test");
  open.set_world_size(2);
  const Samples parts[] = {kTest.slice(0, 50), kTest.slice(50, 70)};
  const auto first = stream_all(live_.stub(), open, parts[0], 64);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->closed_ranks(), 1u);
  open.set_rank(1);
  hold(parts[1], open);
  hold(parts[1], open);  // again
  v1::Report waited;
  std::thread waiter([&] { EXPECT_TRUE(live_.get_report(open.key(), waited, true).ok()); });
  ASSERT_TRUE(train.close(1));
  waiter.join();
  EXPECT_EQ(waited.data().samples(), 120u);
  EXPECT_EQ(difference(local_report(kTest, &kTrain), waited, 1e-6), "");
  const auto repeated = stream_all(live_.stub(), open, parts[1], 64);
  ASSERT_TRUE(repeated && repeated->has_report());
  EXPECT_EQ(repeated->report().SerializeAsString(), waited.SerializeAsString());
}

TEST_F(SplitTest, OtherEpochsLayersAndRunsAreNotWaitedFor) {
  StreamCall epoch(live_.stub()), layer(live_.stub()), run(live_.stub());
  ASSERT_TRUE(epoch.open(open_of(kTrain, "train", 1)));
  v1::Open other = open_of(kTrain, "train");
  other.mutable_key()->set_layer("hidden");
  ASSERT_TRUE(layer.open(other));
  ASSERT_TRUE(run.open(open_for(kTrain, "other")));
  EXPECT_EQ(report_of(kTest, "test").nc4().centers().split(), "test");
}

TEST_F(SplitTest, TheLatestEarlierEpochThatIsKept) {
  report_of(kTrain.slice(0, 100), "train", 1);
  report_of(kTrain, "train", 3);
  const v1::Report test = report_of(kTest, "test", 8);
  EXPECT_EQ(difference(
                local_report(kTest, &kTrain),
                [&] {
                  v1::Report same = test;
                  same.clear_warnings();
                  return same;
                }(),
                1e-15),
            "");
  EXPECT_EQ(test.nc4().centers().split(), "train");
  EXPECT_EQ(test.nc4().centers().epoch(), 3u);
  EXPECT_THAT(warnings(test), ::testing::ElementsAre(HasSubstr("earlier_train_means: the train"
                                                               " means are those of epoch 3")));
  const v1::Report before = report_of(kTest, "test", 2);
  EXPECT_EQ(before.nc4().centers().split(), "test");
  EXPECT_EQ(before.nc4().centers().epoch(), 2u);
  EXPECT_THAT(warnings(before), ::testing::ElementsAre(HasSubstr("of a later epoch, 3")));
}

TEST_F(SplitTest, WithoutTrainItsOwnMeansAndAWarning) {
  const v1::Report test = report_of(kTest, "test");
  EXPECT_EQ(test.nc4().centers().split(), "test");
  EXPECT_EQ(test.nc4().ncc_accuracy(), local_report(kTest).nc4().ncc_accuracy());
  EXPECT_THAT(warnings(test), ::testing::ElementsAre(HasSubstr("own_class_means: ")));
  EXPECT_TRUE(test.test_collapse().has_weak());
  EXPECT_FALSE(test.test_collapse().has_strong());
  EXPECT_THAT(reason(test, "test_collapse.strong"), HasSubstr("train"));
}

TEST_F(SplitTest, OtherShapesThanTrains) {
  report_of(make_samples(60, 8, 5, DType::kFloat32, 1), "train");
  const v1::Report test = report_of(kTest, "ood");
  EXPECT_EQ(test.nc4().centers().split(), "ood");
  EXPECT_THAT(warnings(test), ::testing::ElementsAre(HasSubstr(
                                  "the train split has K = 5, d = 8, this one K = 4, d = 10")));
  EXPECT_THAT(reason(test, "test_collapse.strong"), HasSubstr("K = 5, d = 8"));
  EXPECT_THAT(reason(test, "nc5.orthogonality"), HasSubstr("d = 8"));
}

TEST_F(SplitTest, OtherClassesThanTrainsOfAnEarlierEpoch) {
  report_of(kTrain, "train", 1);
  const v1::Report ood = report_of(make_samples(60, 10, 5, DType::kFloat32, 1), "ood", 2);
  EXPECT_TRUE(ood.nc5().has_orthogonality());
  EXPECT_EQ(ood.nc4().centers().split(), "ood");
  EXPECT_THAT(warnings(ood),
              ::testing::ElementsAre(HasSubstr("own_class_means: "),
                                     HasSubstr("earlier_train_means: the train means are those of"
                                               " epoch 1")));
  // Of another dimension nothing is judged.
  const v1::Report wide = report_of(make_samples(60, 12, 4, DType::kFloat32, 1), "ood_wide", 2);
  EXPECT_FALSE(wide.nc5().has_orthogonality());
  EXPECT_THAT(warnings(wide), ::testing::ElementsAre(HasSubstr("own_class_means: ")));
}

TEST_F(SplitTest, SeveralOutOfDistributionSplits) {
  report_of(kTrain, "train");
  const auto value = [&](const Samples& samples, const std::string& split) {
    const v1::Report report = report_of(samples, split);
    EXPECT_EQ(difference(local_report(samples, &kTrain, split), report, 1e-15), "") << split;
    EXPECT_EQ(report.nc5().ood_split(), split);
    EXPECT_TRUE(report.nc5().has_orthogonality());
    return report.nc5().orthogonality();
  };
  const double first = value(kOod, "ood_svhn");
  EXPECT_NE(first, value(kOod.slice(0, 30), "ood.places"));
  Samples relabelled = kOod;
  for (int64_t& label : relabelled.labels) label = 2;
  EXPECT_NEAR(first, value(relabelled, "ood"), 1e-6);
  EXPECT_FALSE(report_of(kOod, "not-ood").has_nc5());
}

TEST_F(SplitTest, TrainOfTheSameAttemptIsWaitedFor) {
  report_of(kTrain.slice(0, 50), "train");
  StreamCall old(live_.stub());
  v1::Open train = open_of(kTrain, "train"), test = open_of(kTest, "test");
  train.set_attempt(1);
  send(old, train, kTrain.slice(0, 100));
  test.set_attempt(2);
  hold(kTest, test);
  train.set_attempt(2);
  ASSERT_TRUE(stream_all(live_.stub(), train, kTrain, 64));
  v1::Report report;
  ASSERT_TRUE(live_.get_report(test.key(), report).ok());
  EXPECT_EQ(difference(local_report(kTest, &kTrain), report, 1e-15), "");
  EXPECT_EQ(report.nc4().centers().attempt(), 2u);
}

TEST_F(SplitTest, TrainOfTheSameAttemptIsTakenWhileAHigherOneStreams) {
  report_of(kTrain, "train");
  StreamCall higher(live_.stub());
  v1::Open train = open_of(kTrain, "train");
  train.set_attempt(1);
  send(higher, train, kTrain.slice(0, 100));
  const v1::Report report = report_of(kTest, "test");
  EXPECT_EQ(difference(local_report(kTest, &kTrain), report, 1e-15), "");
  EXPECT_TRUE(report.nc4().centers().has_attempt());
  EXPECT_EQ(report.nc4().centers().attempt(), 0u);
}

TEST_F(SplitTest, TrainOfAnotherAttemptThatIsReportedAndAWarning) {
  report_of(kTrain, "train");
  v1::Open test = open_of(kTest, "test");
  test.set_attempt(1);
  const auto closed = stream_all(live_.stub(), test, kTest, 64);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(closed->report().nc4().centers().split(), "train");
  EXPECT_EQ(closed->report().nc4().centers().attempt(), 0u);
  EXPECT_THAT(warnings(closed->report()),
              ::testing::ElementsAre(HasSubstr("other_attempt_train_means: the train means are"
                                               " those of attempt 0 of this epoch, the samples"
                                               " those of attempt 1")));
}

TEST_F(SplitTest, TrainOfAHigherAttemptIsWaitedForAndAWarning) {
  StreamCall old(live_.stub());
  v1::Open train = open_of(kTrain, "train");
  send(old, train, kTrain.slice(0, 100));
  hold(kTest, open_of(kTest, "test"));
  train.set_attempt(1);
  ASSERT_TRUE(stream_all(live_.stub(), train, kTrain, 64));
  v1::Report report;
  ASSERT_TRUE(live_.get_report(open_of(kTest, "test").key(), report).ok());
  EXPECT_EQ(report.nc4().centers().attempt(), 1u);
  EXPECT_THAT(warnings(report),
              ::testing::ElementsAre(HasSubstr("other_attempt_train_means: the train means are"
                                               " those of attempt 1")));
  EXPECT_DOUBLE_EQ(report.test_collapse().strong(),
                   local_report(kTest, &kTrain).test_collapse().strong());
}

TEST_F(SplitTest, AHigherAttemptOfTestTakesThePlaceOfOneThatWaits) {
  StreamCall train(live_.stub());
  send(train, open_of(kTrain, "train"), kTrain);
  v1::Open open = open_of(kTest, "test");
  hold(kTest.slice(0, 40), open);
  open.set_attempt(1);
  hold(kTest, open);
  ASSERT_TRUE(train.close(1));
  v1::Report report;
  ASSERT_TRUE(live_.get_report(open.key(), report).ok());
  EXPECT_EQ(report.attempt(), 1u);
  EXPECT_THAT(warnings(report), ::testing::ElementsAre(HasSubstr("those of attempt 0")));
  report.clear_warnings();
  EXPECT_EQ(difference(local_report(kTest, &kTrain), report, 1e-15), "");
  EXPECT_EQ(engine().services().memory.used(), 0u);
}

TEST_F(SplitTest, DeletingTheRunDropsWhatWaits) {
  StreamCall train(live_.stub());
  send(train, open_of(kTrain, "train"), kTrain);
  hold(kTest, open_of(kTest, "test"));
  v1::DeleteRunRequest request;
  request.set_run("run");
  v1::DeleteRunResponse response;
  const auto context = bounded_context();
  ASSERT_TRUE(live_.stub().DeleteRun(context.get(), request, &response).ok());
  EXPECT_FALSE(train.close(1));
  expect_status(train.finish(), grpc::ABORTED);
  EXPECT_EQ(engine().registry().size(), 0u);
  EXPECT_EQ(engine().services().memory.used(), 0u);
  EXPECT_EQ(engine().services().samples.memory_used(), 0u);
  expect_missing(open_of(kTest, "test").key());
}

TEST(Splits, AWaitEnds) {
  LiveServer live(
      [](server::ServerOptions& options) { options.limits.train_wait = std::chrono::seconds(1); });
  ASSERT_TRUE(stream_all(live.stub(), open_of(kTrain, "train", 2), kTrain, 64));
  StreamCall never(live.stub());
  send(never, open_of(kTrain, "train", 3), kTrain);
  const v1::Open open = open_of(kTest, "test", 3);
  const auto closed = stream_all(live.stub(), open, kTest, 64);
  ASSERT_TRUE(closed);
  EXPECT_FALSE(closed->has_report());
  v1::Report report;
  ASSERT_TRUE(live.get_report(open.key(), report, true).ok());
  EXPECT_EQ(report.nc4().centers().epoch(), 2u);
}

// A server that goes while test of epoch 1 waits for train of epoch 1; epoch 0 is reported.
class GoingServerTest : public ::testing::Test {
 protected:
  explicit GoingServerTest(server::Durability durability = server::Durability::kOs)
      : options_(test_options(folder_ / "data")) {
    options_.limits.durability = durability;
    server_.emplace(options_);
    stub_ = connect(server_->grpc_address());
    EXPECT_TRUE(stream_all(*stub_, open_of(kTrain, "train", 0), kTrain, 64));
    train_.emplace(*stub_);
    send(*train_, open_of(kTrain, "train", 1), kTrain);
    const auto closed = stream_all(*stub_, open_, kTest, 64);
    EXPECT_TRUE(closed && !closed->has_report());
  }

  void start_again() {
    train_.reset();
    server_.reset();
    server_.emplace(options_);
    stub_ = connect(server_->grpc_address());
  }

  grpc::Status get_report(v1::Report& report, bool wait = false) {
    return testing::get_report(*stub_, open_.key(), report, wait);
  }

  TemporaryFolder folder_;
  const v1::Open open_ = open_of(kTest, "test", 1);
  server::ServerOptions options_;
  std::optional<server::Server> server_;
  std::unique_ptr<Stub> stub_;
  std::optional<StreamCall> train_;
};

TEST_F(GoingServerTest, WhatWaitsGoesOnWaitingAfterARestart) {
  server_->stop(std::chrono::milliseconds(0), [] { return false; });
  start_again();
  v1::Report report;
  expect_status(get_report(report), grpc::NOT_FOUND);
  train_.emplace(*stub_);
  const auto opened = train_->open(open_of(kTrain, "train", 1));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 1u);
  ASSERT_TRUE(train_->close(1));
  ASSERT_TRUE(get_report(report).ok());
  EXPECT_EQ(report.nc4().centers().epoch(), 1u);
  report.clear_dynamics();
  EXPECT_EQ(difference(local_report(kTest, &kTrain), report, 1e-15), "");
}

class GoingServerWithoutLogsTest : public GoingServerTest {
 protected:
  GoingServerWithoutLogsTest() : GoingServerTest(server::Durability::kNone) {}
};

TEST_F(GoingServerWithoutLogsTest, WhatWaitsIsReportedBeforeAnOrderlyEnd) {
  server_->stop(std::chrono::milliseconds(0), [] { return false; });
  start_again();
  v1::Report report;
  ASSERT_TRUE(get_report(report).ok());
  EXPECT_EQ(report.nc4().centers().epoch(), 0u);
}

TEST_F(GoingServerWithoutLogsTest, WhoWaitsForItGetsIt) {
  train_->cancel();
  train_->finish();
  v1::Report report;
  std::thread waiter([&] { EXPECT_TRUE(get_report(report, true).ok()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  server_->stop(std::chrono::seconds(10), [] { return false; });
  waiter.join();
  EXPECT_EQ(report.nc4().centers().epoch(), 0u);
}

}  // namespace
}  // namespace ncscope::testing
