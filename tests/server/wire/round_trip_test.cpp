// Samples in, the report out: the same numbers as without a server.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

TEST(RoundTrip, ReportEqualsLocalComputation) {
  for (const DType type : {DType::kFloat32, DType::kFloat64}) {
    LiveServer live;
    const Samples samples = make_samples(500, 24, 7, type, 1);
    const auto closed = stream_all(live.stub(), open_for(samples), samples, 64);
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->closed_ranks(), 1u);
    EXPECT_EQ(closed->world_size(), 1u);
    // One rank adds the same rows in the same order: the same bits, however they were cut.
    EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
    EXPECT_GT(closed->report().nc1().pinv(), 0);
    EXPECT_GT(closed->report().nc4().agreement(), 0);
  }
}

TEST(RoundTrip, ReportSaysWhatItIsOf) {
  LiveServer live;
  const Samples samples = make_samples(200, 8, 4, DType::kFloat32, 2);
  v1::Open open = open_for(samples, "a.run_1-x");
  open.mutable_key()->set_epoch(7);
  open.set_attempt(3);
  open.set_weighting(v1::WEIGHTING_BY_COUNT);
  const auto closed = stream_all(live.stub(), open, samples, 50);
  ASSERT_TRUE(closed);
  const v1::Report& report = closed->report();
  EXPECT_EQ(report.key().run(), "a.run_1-x");
  EXPECT_EQ(report.key().epoch(), 7u);
  EXPECT_EQ(report.key().split(), "train");
  EXPECT_EQ(report.key().layer(), "features");
  EXPECT_EQ(report.attempt(), 3u);
  EXPECT_EQ(report.world_size(), 1u);
  EXPECT_TRUE(report.has_created_at());
  EXPECT_EQ(report.conventions().weighting(), v1::WEIGHTING_BY_COUNT);
  EXPECT_EQ(report.conventions().input_type(), v1::DATA_TYPE_FLOAT32);
  EXPECT_EQ(report.conventions().profile(), "default");
  EXPECT_EQ(report.device().backend(), "cpu");
  EXPECT_EQ(report.nc4().centers().split(), "train");
  EXPECT_EQ(report.nc4().centers().epoch(), 7u);
  EXPECT_EQ(report.nc4().decision_source(), v1::DECISION_SOURCE_CLASSIFIER);
  EXPECT_FALSE(report.partial());

  v1::Report stored;
  ASSERT_TRUE(live.get_report(report.key(), stored).ok());
  EXPECT_EQ(stored.SerializeAsString(), report.SerializeAsString());
}

TEST(RoundTrip, HoldsTheEigenvaluesThatWereAskedFor) {
  LiveServer live;
  const Samples samples = make_samples(200, 70, 4, DType::kFloat32, 2);
  const auto report_with = [&](v1::SpectrumChoice choice, uint32_t epoch) {
    v1::Open open = open_for(samples);
    open.mutable_key()->set_epoch(epoch);
    open.mutable_choices()->set_spectrum(choice);
    return stream_all(live.stub(), open, samples, 50).value().report();
  };
  const auto within = [&](v1::SpectrumChoice choice, uint32_t epoch) {
    return report_with(choice, epoch).spectrum().within().eigenvalues_size();
  };
  EXPECT_EQ(within(v1::SPECTRUM_CHOICE_UNSPECIFIED, 0), 64);
  EXPECT_EQ(within(v1::SPECTRUM_CHOICE_LEADING, 1), 64);
  EXPECT_EQ(within(v1::SPECTRUM_CHOICE_ALL, 2), 70);
  EXPECT_FALSE(report_with(v1::SPECTRUM_CHOICE_NONE, 3).has_spectrum());
}

TEST(RoundTrip, HoldsTheMarginWhereItWasAskedFor) {
  LiveServer live;
  const Samples samples = make_samples(200, 8, 4, DType::kFloat32, 2);
  v1::Open open = open_for(samples);
  EXPECT_FALSE(stream_all(live.stub(), open, samples, 50)
                   .value()
                   .report()
                   .nc2()
                   .means()
                   .has_one_vs_rest_margin());
  open.mutable_key()->set_epoch(1);
  open.mutable_choices()->set_one_vs_rest_margin(true);
  const v1::Report report = stream_all(live.stub(), open, samples, 50).value().report();
  EXPECT_GT(report.nc2().means().one_vs_rest_margin(), 0);
  EXPECT_TRUE(report.nc2().means().has_one_vs_rest_margin_gap());
  EXPECT_LT(report.nc2().means().one_vs_rest_margin_class(), 4u);
}

TEST(RoundTrip, HoldsTheNumbersOfTheProfileThatWasAskedFor) {
  LiveServer live;
  const Samples samples = make_samples(200, 8, 4, DType::kFloat32, 2);
  for (const auto& [profile, numbers] :
       {std::pair("default", 0), {"papyan", 9}, {"geometric", 5}, {"linguistic", 20}, {"rw", 11}}) {
    v1::Open open = open_for(samples, profile);
    open.set_profile(profile);
    const auto closed = stream_all(live.stub(), open, samples, 50);
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->report().conventions().profile(), profile);
    EXPECT_EQ(closed->report().profile_numbers_size(), numbers);
    v1::Report own = closed->report();
    own.clear_profile_numbers();
    auto& undefined = *own.mutable_undefined();
    undefined.erase(std::remove_if(undefined.begin(), undefined.end(),
                                   [](const v1::Undefined& entry) {
                                     return entry.metric().starts_with("profile.");
                                   }),
                    undefined.end());
    EXPECT_EQ(difference(local_report(samples), own, 1e-15), "");
    v1::Report stored;
    ASSERT_TRUE(live.get_report(closed->report().key(), stored).ok());
    EXPECT_EQ(stored.SerializeAsString(), closed->report().SerializeAsString());
  }
}

TEST(RoundTrip, OtherSamplesGiveOtherNumbers) {
  const Samples samples = make_samples(200, 8, 4, DType::kFloat64, 2);
  Samples other = samples;
  other.features[11] += 1e-6;
  const v1::Report report = local_report(samples);
  EXPECT_EQ(difference(report, local_report(samples), 1e-15), "");
  EXPECT_NE(difference(report, local_report(other), 1e-10), "");
}

TEST(RoundTrip, SameInputTwiceGivesTheSameBits) {
  LiveServer live;
  const Samples samples = make_samples(700, 33, 5, DType::kFloat32, 3);
  const auto first = stream_all(live.stub(), open_for(samples, "a"), samples, 100);
  const auto second = stream_all(live.stub(), open_for(samples, "b"), samples, 37);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(comparable(first->report()), comparable(second->report()));
}

// Streams the parts at the same time; the report, from whichever rank closed last.
v1::Report stream_ranks(LiveServer& live, const Samples& samples, uint32_t ranks,
                        const std::string& run, bool standard_errors = false) {
  const size_t part = samples.rows() / ranks;
  std::vector<std::thread> threads;
  std::vector<std::optional<v1::Closed>> closed(ranks);
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      v1::Open open = open_for(samples, run);
      open.set_rank(rank);
      open.set_world_size(ranks);
      open.mutable_choices()->set_standard_errors(standard_errors);
      const auto stub = connect(live.server().grpc_address());
      closed[rank] = stream_all(*stub, open, samples.slice(rank * part, part), 40);
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint32_t reports = 0;
  v1::Report report;
  for (const auto& answer : closed) {
    if (!answer) ADD_FAILURE() << "a rank was refused";
    if (!answer || !answer->has_report()) continue;
    ++reports;
    report = answer->report();
    EXPECT_EQ(answer->closed_ranks(), ranks);
  }
  EXPECT_EQ(reports, 1u);
  return report;
}

TEST(Ranks, FourQuartersGiveTheNumbersOfOneStream) {
  for (const auto& [type, tolerance] :
       {std::pair(DType::kFloat64, 1e-10), {DType::kFloat32, 1e-6}}) {
    LiveServer live;
    const Samples samples = make_samples(800, 20, 6, type, 4);
    const auto whole = stream_all(live.stub(), open_for(samples, "one"), samples, 100);
    ASSERT_TRUE(whole);
    const v1::Report parts = stream_ranks(live, samples, 4, "four");
    EXPECT_EQ(parts.world_size(), 4u);
    EXPECT_EQ(difference(whole->report(), parts, tolerance), "");
    // Ranks are merged in their own order, whichever comes first.
    EXPECT_EQ(comparable(parts), comparable(stream_ranks(live, samples, 4, "again")));
  }
}

TEST(Ranks, LeftOutInTurnGiveStandardErrors) {
  LiveServer live;
  const Samples samples = make_samples(800, 10, 4, DType::kFloat64, 14);
  const v1::Report report = stream_ranks(live, samples, 8, "eight", true);
  EXPECT_EQ(report.nc1().jackknife_groups(), 8u);
  std::vector<double> left_out;
  for (size_t rank = 0; rank < 8; ++rank) {
    Samples others = samples.slice(0, rank * 100);
    const Samples after = samples.slice((rank + 1) * 100, 700 - rank * 100);
    others.features.insert(others.features.end(), after.features.begin(), after.features.end());
    others.labels.insert(others.labels.end(), after.labels.begin(), after.labels.end());
    left_out.push_back(local_report(others).nc1().cdnv());
  }
  const double mean = std::accumulate(left_out.begin(), left_out.end(), 0.0) / 8;
  double squares = 0;
  for (const double value : left_out) squares += (value - mean) * (value - mean);
  const double expected = std::sqrt(squares * 7 / 8);
  EXPECT_NEAR(report.nc1().cdnv_standard_error(), expected, 1e-8 * expected);

  EXPECT_FALSE(stream_ranks(live, samples, 8, "plain").nc1().has_jackknife_groups());
  EXPECT_EQ(stream_ranks(live, samples, 20, "twenty", true).nc1().jackknife_groups(), 16u);
  const v1::Report few = stream_ranks(live, samples, 4, "four", true);
  EXPECT_FALSE(few.nc1().has_cdnv_standard_error());
  const auto reason = std::ranges::find(few.undefined(), "nc1.pinv_standard_error",
                                        [](const v1::Undefined& entry) { return entry.metric(); });
  ASSERT_NE(reason, few.undefined().end());
  EXPECT_NE(reason->reason().find("at least 8 parts, got 4"), std::string::npos);
}

TEST(Ranks, RunsAndLayersDoNotMix) {
  LiveServer live;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const Samples samples = make_samples(300, 12, 4, DType::kFloat32, 10 + i);
      v1::Open open = open_for(samples, i % 2 == 0 ? "run" : "other");
      open.mutable_key()->set_layer(i < 2 ? "features" : "hidden");
      const auto stub = connect(live.server().grpc_address());
      const auto closed = stream_all(*stub, open, samples, 30);
      ASSERT_TRUE(closed);
      EXPECT_EQ(difference(local_report(samples), closed->report(), 1e-15), "");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Ranks, PartialOfOneRankMarksTheReport) {
  LiveServer live;
  const Samples samples = make_samples(100, 6, 3, DType::kFloat32, 5);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  StreamCall first(live.stub());
  ASSERT_TRUE(first.open(open));
  ASSERT_TRUE(first.batch(batch_of(samples, 0, 0, 50)));
  const auto closed = first.close(1, true);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->closed_ranks(), 1u);
  EXPECT_EQ(closed->world_size(), 2u);
  EXPECT_FALSE(closed->has_report());
  open.set_rank(1);
  StreamCall second(live.stub());
  ASSERT_TRUE(second.open(open));
  ASSERT_TRUE(second.batch(batch_of(samples, 0, 50, 50)));
  const auto last = second.close(1);
  ASSERT_TRUE(last && last->has_report());
  EXPECT_TRUE(last->report().partial());
  EXPECT_EQ(last->report().data().samples(), 100u);
}

TEST(Ranks, OthersWaitForTheReport) {
  LiveServer live;
  const Samples samples = make_samples(100, 6, 3, DType::kFloat32, 6);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  ASSERT_TRUE(stream_all(live.stub(), open, samples, 50));
  v1::Report waited;
  std::thread waiter([&] { EXPECT_TRUE(live.get_report(open.key(), waited, true).ok()); });
  open.set_rank(1);
  const auto stub = connect(live.server().grpc_address());
  const auto closed = stream_all(*stub, open, samples, 50);
  waiter.join();
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_EQ(waited.SerializeAsString(), closed->report().SerializeAsString());
}

}  // namespace
}  // namespace ncscope::testing
