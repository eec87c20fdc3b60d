// NC4 of states whose ranks have counted decisions.
#include <gmock/gmock.h>

#include "kernels/accumulator.h"
#include "kernels/decisions.h"
#include "kernels/report.h"
#include "proto/convert/statistics_file.h"
#include "server/core/errors.h"
#include "server/core/state_upload.h"
#include "server/log/reader.h"
#include "tests/server/core/restart_fixture.h"

namespace ncscope::testing {
namespace {

using ::testing::HasSubstr;

constexpr size_t kStateRanks = 3;
constexpr size_t kStateRows = 150;

class StateDecisionsTest : public RestartFixture {
 protected:
  StateDecisionsTest() : device_(make_device(Backend::kCpu)) {
    for (size_t i = 0; i < kStateRows;
         ++i) {  // rank 0 has no sample of class 2, rank 2 has no other
      samples_.labels[i] = i < 50 ? static_cast<int64_t>(i % 2) : samples_.labels[i];
      if (i >= 100) samples_.labels[i] = 2;
    }
    centers_ = statistics_of(make_samples(90, 6, 4, DType::kFloat64, 1));
    for (uint32_t rank = 0; rank < kStateRanks; ++rank) states_.push_back(state_of(part(rank)));
  }

  Samples part(uint32_t rank) const { return samples_.slice(rank * 50, 50); }

  template <class Take>
  void with_batch(const Samples& samples, const Take& take) {
    std::vector<int32_t> labels(samples.labels.begin(), samples.labels.end());
    take(Batch{samples.features.data(), samples.type, samples.rows(), samples.dim, labels.data(),
               nullptr});
  }

  Statistics statistics_of(const Samples& samples) {
    Accumulator accumulator(*device_, samples.num_classes, samples.dim, samples.type);
    with_batch(samples, [&](const Batch& batch) { accumulator.add(*device_, batch); });
    return accumulator.finish(*device_);
  }

  // As a trainer counts that knows the means of epoch 1.
  StatisticsBundle state_of(const Samples& samples) {
    StatisticsBundle bundle{{}, statistics_of(samples), samples.classifier};
    DecisionCounter counter(*device_, centers_, &*samples.classifier);
    with_batch(samples, [&](const Batch& batch) { counter.add(*device_, batch); });
    CountedDecisions& decisions = bundle.decisions.emplace();
    decisions.centers_epoch = 1;
    for (const uint32_t label : bundle.statistics.classes) {
      decisions.agreement.push_back(counter.counts().agreement[label]);
      decisions.ncc_correct.push_back(counter.counts().ncc_correct[label]);
      decisions.classifier_correct.push_back(counter.counts().classifier_correct[label]);
    }
    return bundle;
  }

  v1::Open open_of(uint32_t rank, const std::string& run = "run", uint32_t epoch = 3) const {
    v1::Open open = open_for(samples_, run);
    open.mutable_key()->set_epoch(epoch);
    open.set_rank(rank);
    open.set_world_size(kStateRanks);
    return open;
  }

  server::CloseResult put(const v1::Open& open, const StatisticsBundle& bundle) {
    server::StateUpload upload(engine(), open);
    write_statistics(
        bundle, [&](const v1::StatisticsHeader& header) { upload.header(header); },
        [&](const v1::StatisticsBlock& block) { upload.block(block); });
    return upload.finish();
  }

  v1::Report put_all(const std::string& run, const std::vector<StatisticsBundle>& states) {
    server::CloseResult result;
    for (uint32_t rank = 0; rank < kStateRanks; ++rank)
      result = put(open_of(rank, run), states[rank]);
    return result.report ? *result.report : v1::Report();
  }

  // Whether the numbers are those of a second look at all samples, against the same centres.
  void expect_nc4(const v1::Report& report) {
    DecisionCounter counter(*device_, centers_, &*samples_.classifier);
    with_batch(samples_, [&](const Batch& batch) { counter.add(*device_, batch); });
    const ReportValues expected = compute_report(*device_, statistics_of(samples_),
                                                 &*samples_.classifier, &counter.counts(), {});
    const v1::Nc4& nc4 = report.nc4();
    EXPECT_EQ(nc4.agreement(), expected.number("nc4.agreement"));
    EXPECT_EQ(nc4.ncc_accuracy(), expected.number("nc4.ncc_accuracy"));
    EXPECT_EQ(nc4.classifier_accuracy(), expected.number("nc4.classifier_accuracy"));
    EXPECT_EQ(nc4.samples(), kStateRows);
    EXPECT_EQ(nc4.decision_source(), v1::DECISION_SOURCE_COUNTED);
    EXPECT_EQ(nc4.centers().split(), "train");
    EXPECT_EQ(nc4.centers().epoch(), 1u);
    EXPECT_FALSE(nc4.centers().has_attempt());
    for (const v1::ClassReport& entry : report.classes()) {
      const auto n = static_cast<double>(counter.counts().samples[entry.label()]);
      EXPECT_EQ(entry.agreement(),
                static_cast<double>(counter.counts().agreement[entry.label()]) / n);
    }
  }

  static std::string why_no_nc4(const v1::Report& report) {
    EXPECT_FALSE(report.has_nc4());
    for (const auto& undefined : report.undefined()) {
      if (undefined.metric() == "nc4") return undefined.reason();
    }
    return "";
  }

  const std::unique_ptr<Device> device_;
  Samples samples_ = make_samples(kStateRows, 6, 4, DType::kFloat64, 2);
  Statistics centers_;
  std::vector<StatisticsBundle> states_;
};

TEST_F(StateDecisionsTest, AddUpToASecondLook) {
  const v1::Report report = put_all("run", states_);
  expect_nc4(report);
  EXPECT_GT(report.nc4().agreement(), 0);
  EXPECT_LT(report.nc4().agreement(), 1);
  const auto said = std::ranges::find_if(report.warnings(), [](const v1::Warning& warning) {
    return warning.code() == "earlier_train_means";
  });
  ASSERT_NE(said, report.warnings().end());
  EXPECT_THAT(said->message(), HasSubstr("epoch 1"));
  v1::GetStatisticsRequest request;
  *request.mutable_key() = open_of(0).key();
  EXPECT_FALSE(engine().get_statistics(request).bundle.decisions);
  EXPECT_EQ(services().memory.used(), 0u);
}

// Another split may have both: nc4 by what was counted, the rest by train as it is.
TEST_F(StateDecisionsTest, OfATestSplitAreNotThoseOfItsTrainMeans) {
  v1::Open train = open_for(samples_);
  train.mutable_key()->set_epoch(3);
  send_rest(train, samples_, 50);
  v1::Report report;
  for (uint32_t rank = 0; rank < kStateRanks; ++rank) {
    v1::Open open = open_of(rank);
    open.mutable_key()->set_split("val");
    const auto result = put(open, states_[rank]);
    if (result.report) report = *result.report;
  }
  expect_nc4(report);
  EXPECT_TRUE(report.test_collapse().has_strong());
  EXPECT_EQ(report.warnings_size(), 1) << report.ShortDebugString();
}

TEST_F(StateDecisionsTest, SurviveRestarts) {
  for (uint32_t rank = 0; rank + 1 < kStateRanks; ++rank) {
    EXPECT_FALSE(put(open_of(rank), states_[rank]).report);
    const size_t memory = services().memory.used();
    restart();
    EXPECT_GT(services().memory.used(), 0u);
    EXPECT_LE(services().memory.used(), memory);
    EXPECT_FALSE(put(open_of(rank), states_[rank]).report);  // the same again
    StatisticsBundle other = states_[rank];
    --other.decisions->centers_epoch;
    EXPECT_THROW(put(open_of(rank), other), server::AlreadyExists);
    other.decisions.reset();
    EXPECT_THROW(put(open_of(rank), other), server::AlreadyExists);
  }
  EXPECT_EQ(services().counters.damaged_logs, 0u);
  const auto result = put(open_of(kStateRanks - 1), states_[kStateRanks - 1]);
  ASSERT_TRUE(result.report);
  expect_nc4(*result.report);
  EXPECT_TRUE(logs().empty());
}

// Versions that know no decisions must not make a report without them: they stop at its record.
TEST_F(StateDecisionsTest, OnlyTheirLogsHaveARecordOfTheirOwn) {
  const auto last_record = [&](uint32_t rank) {
    server::LogReader reader(logs().at(0) / ("rank-" + std::to_string(rank) + ".log"));
    server::RecordType type{};
    while (const auto record = reader.next()) type = record->type;
    return type;
  };
  StatisticsBundle plain = states_[1];
  plain.decisions.reset();
  put(open_of(0), states_[0]);
  put(open_of(1), plain);
  EXPECT_EQ(last_record(0), server::RecordType::kDecided);
  EXPECT_EQ(last_record(1), server::RecordType::kState);
}

TEST_F(StateDecisionsTest, AFileThatIsNotThatOfItsRecordIsDamage) {
  for (const bool decided : {true, false}) {
    SCOPED_TRACE(decided);
    const std::string run = decided ? "decided" : "plain";
    StatisticsBundle with = states_[0];
    StatisticsBundle without = states_[0];
    without.decisions.reset();
    put(open_of(0, run), decided ? with : without);
    stop();
    save_statistics(logs().at(0) / "rank-0.ncstats", decided ? without : with);
    start();
    EXPECT_EQ(services().counters.damaged_logs, 1u);
    EXPECT_EQ(services().memory.used(), 0u);
    expect_nc4(put_all(run, states_));  // as if nothing of it had come
  }
}

TEST_F(StateDecisionsTest, OfTheEpochOrALaterOneAreRefused) {
  for (const auto& [epoch, centers] : {std::pair{3u, 3u}, {3u, 4u}, {0u, 0u}, {2u, ~0u}}) {
    StatisticsBundle state = states_[0];
    state.decisions->centers_epoch = centers;
    try {
      put(open_of(0, "run", epoch), state);
      FAIL() << epoch << " took decisions of " << centers;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(error.what(),
                "PutStatistics: expected decisions against the class means of an "
                "epoch before " +
                    std::to_string(epoch) + ", got those of epoch " + std::to_string(centers));
    }
  }
  StatisticsBundle state = states_[0];
  state.decisions->agreement[0] = state.statistics.counts[0] + 1;
  EXPECT_THROW(put(open_of(0), state), InvalidArgument);
  EXPECT_EQ(engine().registry().size(), 0u);
  EXPECT_EQ(services().memory.used(), 0u);
  expect_nc4(put_all("run", states_));
}

TEST_F(StateDecisionsTest, RanksThatDoNotDecideAlikeHaveNone) {
  std::vector<StatisticsBundle> states = states_;
  states[2].decisions->centers_epoch = 0;
  EXPECT_EQ(why_no_nc4(put_all("epochs", states)),
            "ranks decided against the class means of different epochs: rank 0 of epoch 1, rank 2 "
            "of epoch 0");
  states[1].decisions.reset();
  EXPECT_THAT(why_no_nc4(put_all("without", states)), HasSubstr("merged state"));
  put(open_of(0, "mixed"), states_[0]);
  put(open_of(2, "mixed"), states_[2]);
  restart();
  const auto mixed = send_rest(open_of(1, "mixed"), part(1), 25);
  ASSERT_TRUE(mixed.report);
  EXPECT_EQ(why_no_nc4(*mixed.report),
            "rank 1 streamed its samples, rank 0 decided about its own against the class means of "
            "epoch 1");
  EXPECT_EQ(mixed.report->data().samples(), kStateRows);
}

TEST_F(StateDecisionsTest, ARankWithoutSamplesIsInNobodysWay) {
  put(open_of(0), states_[0]);
  put(open_of(1), states_[1]);
  v1::ReportPartialRequest request;
  *request.mutable_key() = open_of(0).key();
  const v1::Report report = engine().report_partial(request).report();
  EXPECT_TRUE(report.partial());
  EXPECT_EQ(report.nc4().samples(), 100u);
  EXPECT_TRUE(report.nc4().has_agreement());
}

// A split that waits for train gives memory where others need it, but not its decisions.
TEST_F(StateDecisionsTest, AreKeptWhereRanksAreMerged) {
  v1::Open train_open = open_for(samples_);
  train_open.mutable_key()->set_epoch(3);
  const auto train = engine().open(train_open);
  train->add_batch(incoming(batch_of(samples_, 0, 0, kStateRows), *train));
  const size_t of_train = services().memory.used();
  v1::Open val = open_of(0);
  val.mutable_key()->set_split("val");
  for (uint32_t rank = 0; rank < kStateRanks; ++rank) {
    val.set_rank(rank);
    EXPECT_FALSE(put(val, states_[rank]).report);
  }
  const auto series = engine().registry().find_streaming(server::parse_key(val.key()));
  ASSERT_TRUE(series);
  EXPECT_TRUE(series->free_accumulators(services().memory));
  // [P, d] and [d, d] of the whole; a label and three counts for seven classes.
  EXPECT_EQ(services().memory.used() - of_train, (4 * 6 + 6 * 6) * 8 + 7 * (4 + 3 * 8));
  EXPECT_TRUE(train->close(1, false).report);
  const auto stored = report(val);
  ASSERT_TRUE(stored);
  expect_nc4(*stored);
}

TEST_F(StateDecisionsTest, OneClassIsDecidedAboutByNobody) {
  const Samples one = make_samples(20, 6, 1, DType::kFloat64, 3);
  v1::Open open = open_for(one);
  open.mutable_key()->set_epoch(3);
  StatisticsBundle state{{}, statistics_of(one), std::nullopt};
  state.decisions = CountedDecisions{1, {20}, {20}, {20}};
  const auto result = put(open, state);
  ASSERT_TRUE(result.report);
  EXPECT_FALSE(result.report->nc4().has_agreement());
  EXPECT_EQ(result.report->nc4().classifier_accuracy(), 1);
}

}  // namespace
}  // namespace ncscope::testing
