// Series that are complete and wait for the train split, without a transport.
#include <gtest/gtest.h>

#include <numeric>

#include "kernels/accumulator.h"
#include "server/core/errors.h"
#include "tests/server/core/core_fixture.h"

namespace ncscope::testing {
namespace {

v1::Open open_of(const Samples& samples, const std::string& split) {
  v1::Open open = open_for(samples);
  open.mutable_key()->set_split(split);
  return open;
}

v1::Report stored(server::Engine& engine, const v1::Open& open) {
  v1::GetReportRequest request;
  *request.mutable_key() = open.key();
  return engine.get_report(request, [] { return false; });
}

class HeldTest : public CoreTest {
 protected:
  const Samples samples_ = make_samples(80, 4, 3, DType::kFloat32, 6);
};

TEST_F(HeldTest, AReportThatFailedAfterItsWaitIsMadeByTheNextClose) {
  const v1::Open test = open_of(samples_, "test");
  const auto train = engine_.open(open_of(samples_, "train"));
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_FALSE(stream_all(test, samples_, 40).report);
  // Each time a little later: first train's report fails, then the other one, which fails no Close.
  std::shared_ptr<const v1::Report> report;
  uint64_t failures = 0;
  for (; !report && failures < 1000; ++failures) {
    memory_.left = static_cast<long>(failures);
    try {
      report = train->close(1, false).report;
    } catch (const OutOfMemory&) {
    }
  }
  ASSERT_TRUE(report);
  EXPECT_GT(services_.counters.report_failures, failures - 1);
  EXPECT_THROW(stored(engine_, test), server::NotFound);
  memory_.left = -1;
  EXPECT_TRUE(stream_all(test, samples_, 40).report);
  EXPECT_EQ(stored(engine_, test).nc4().centers().split(), "train");
  EXPECT_EQ(engine_.registry().size(), 0u);
  EXPECT_EQ(services_.memory.used(), 0u);
}

TEST_F(HeldTest, AReportThatHasFailedWaitsForTrainAllTheSame) {
  const v1::Open test = open_of(samples_, "test");
  const auto session = engine_.open(test);
  add_batch(*session, batch_of(samples_, 0, 0, 80));
  memory_.left = 0;
  EXPECT_THROW(session->close(1, false), OutOfMemory);
  memory_.left = -1;
  const auto train = engine_.open(open_of(samples_, "train"));
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_FALSE(session->close(1, false).report);
  EXPECT_TRUE(train->close(1, false).report);
  EXPECT_EQ(stored(engine_, test).nc4().centers().split(), "train");
}

TEST_F(HeldTest, AStateOfTrainThatCannotBeReadNowIsReadLater) {
  stream_all(open_of(samples_, "train"), samples_, 40);
  const auto record = services_.reports.find_statistics({"run", 0, "train", "features"});
  const auto file = services_.statistics_folder / record->file;
  std::filesystem::rename(file, folder_ / "aside");
  std::filesystem::create_directory(file);
  const v1::Open test = open_of(samples_, "test");
  EXPECT_THROW(stream_all(test, samples_, 40), server::ResourceExhausted);
  std::filesystem::remove(file);
  std::filesystem::rename(folder_ / "aside", file);
  const auto report = stream_all(test, samples_, 40).report;
  ASSERT_TRUE(report);
  EXPECT_EQ(report->nc4().centers().split(), "train");
}

TEST_F(HeldTest, AStateOfTrainThatIsDamagedOrGoneIsNone) {
  stream_all(open_of(samples_, "train"), samples_, 40);
  const auto record = services_.reports.find_statistics({"run", 0, "train", "features"});
  const auto file = services_.statistics_folder / record->file;
  const std::string bytes = read_file(file);
  write_file(file, bytes.substr(0, bytes.size() - 5));
  const auto damaged = stream_all(open_of(samples_, "test"), samples_, 40).report;
  std::filesystem::remove(file);
  const auto gone = stream_all(open_of(samples_, "val"), samples_, 40).report;
  for (const auto& report : {damaged, gone}) {
    ASSERT_TRUE(report);
    ASSERT_EQ(report->warnings_size(), 1);
    EXPECT_NE(report->warnings(0).message().find("cannot be read"), std::string::npos);
  }
}

TEST_F(HeldTest, ALostDeviceMakesNoReports) {
  const v1::Open test = open_of(samples_, "test");
  const auto train = engine_.open(open_of(samples_, "train"));
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_FALSE(stream_all(test, samples_, 40).report);
  card_.operations_left = 0;
  EXPECT_THROW(train->close(1, false), DeviceLost);
  EXPECT_THROW(stored(engine_, test), server::NotFound);
  EXPECT_EQ(engine_.registry().size(), 2u);
}

std::shared_ptr<const v1::Report> put_state(server::Engine& engine, const v1::Open& open) {
  StatisticsBundle bundle;
  bundle.statistics = Statistics::empty(3, 4, DType::kFloat32);
  bundle.statistics.samples = 3;
  bundle.statistics.classes = {0, 2};
  bundle.statistics.counts = {1, 2};
  bundle.statistics.means = {1, 2, 3, 4, 5, 6, 7, 8};
  bundle.statistics.within = {0, 0};
  server::StateUpload upload(engine, open);
  write_statistics(
      bundle, [&](const auto& header) { upload.header(header); },
      [&](const auto& block) { upload.block(block); });
  return upload.finish().report;
}

TEST_F(HeldTest, AStateWaitsAsAStreamDoes) {
  const v1::Open test = open_of(samples_, "test");
  const auto train = engine_.open(open_of(samples_, "train"));
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_FALSE(put_state(engine_, test));
  EXPECT_TRUE(train->close(1, false).report);
  const v1::Report report = stored(engine_, test);
  EXPECT_FALSE(report.has_nc4());
  EXPECT_TRUE(report.test_collapse().has_strong());
}

TEST_F(HeldTest, AStateHasNoCentersToWarnOf) {
  const auto report = put_state(engine_, open_of(samples_, "test"));
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->has_nc4());
  EXPECT_EQ(report->warnings_size(), 0);
}

TEST_F(HeldTest, ATrainWhoseStateWasLostIsNotWaitedFor) {
  const auto train = engine_.open(open_of(samples_, "train"));
  EXPECT_FALSE(stream_all(open_of(samples_, "test"), samples_, 40).report);
  EXPECT_EQ(engine_.held(), 1u);
  card_.accumulating_fails = true;
  EXPECT_THROW(add_batch(*train, batch_of(samples_, 0, 0, 80)), DeviceError);
  card_.accumulating_fails = false;
  EXPECT_TRUE(stream_all(open_of(samples_, "val"), samples_, 40).report);
  EXPECT_TRUE(stream_all(open_of(samples_, "test"), samples_, 40).report);
  EXPECT_EQ(engine_.held(), 0u);
}

class AbsentTrainTest : public CoreTest {
 protected:
  static server::Limits limits() {
    server::Limits limits;
    limits.lease = std::chrono::milliseconds(0);
    return limits;
  }
  AbsentTrainTest() : CoreTest(limits()) {}

  const Samples samples_ = make_samples(80, 4, 3, DType::kFloat32, 6);
};

TEST_F(AbsentTrainTest, ATrainWithoutAStreamIsNotWaitedForLong) {
  auto train = engine_.open(open_of(samples_, "train"));
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_FALSE(stream_all(open_of(samples_, "test"), samples_, 40).report);
  train.reset();
  EXPECT_TRUE(stream_all(open_of(samples_, "val"), samples_, 40).report);
  v1::GetReportRequest request;
  *request.mutable_key() = open_of(samples_, "test").key();
  request.set_wait(true);
  EXPECT_EQ(engine_.get_report(request, [] { return false; }).nc4().centers().split(), "test");
}

// Room for two series and a half; the engine drops idle ones at once.
class TightHeldTest : public CoreTest {
 protected:
  static server::Limits limits() {
    server::Limits limits;
    limits.state_memory_bytes = Accumulator::bytes_needed(3, 4, DType::kFloat32) * 5 / 2;
    limits.max_open_series = 3;
    return limits;
  }
  explicit TightHeldTest(size_t card_memory_bytes = 0)
      : CoreTest(limits(), 2, {.backend = Backend::kCpu}, card_memory_bytes),
        eager_(services_, std::chrono::seconds(0)) {}

  void hold(const std::string& split, const std::string& run = "run") {
    v1::Open open = open_of(samples_, split);
    open.mutable_key()->set_run(run);
    const auto session = eager_.open(open);
    add_batch(*session, batch_of(samples_, 0, 0, 80));
    EXPECT_FALSE(session->close(1, false).report);
  }
  std::string centers_of(const std::string& split) {
    return stored(eager_, open_of(samples_, split)).nc4().centers().split();
  }
  bool is_held(const std::string& split) {
    return eager_.registry().find_streaming({"run", 0, split, "features"}) != nullptr;
  }

  const Samples samples_ = make_samples(80, 4, 3, DType::kFloat32, 6);
  server::Engine eager_;
};

TEST_F(TightHeldTest, WhatWaitsGivesTheRoomOfItsAccumulators) {
  const auto train = eager_.open(open_of(samples_, "train"));
  hold("test");
  EXPECT_GT(services_.memory.used(), services_.memory.limit() / 2);
  EXPECT_TRUE(eager_.open(open_for(samples_, "other")));
  EXPECT_TRUE(is_held("test"));
  EXPECT_GT(services_.memory.used(), services_.memory.limit() * 2 / 5) << "the state still counts";
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_TRUE(train->close(1, false).report);
  EXPECT_EQ(centers_of("test"), "train");
  EXPECT_EQ(services_.memory.used(), 0u);
}

TEST_F(TightHeldTest, WhereThatIsTooLittleItIsReportedAndNeverDropped) {
  const auto train = eager_.open(open_of(samples_, "train"));
  hold("test");
  const auto taken =
      services_.memory.reserve(services_.memory.limit() - services_.memory.used() - 1, "most");
  const auto other = eager_.open(open_for(samples_, "other"));
  EXPECT_THROW(eager_.open(open_for(samples_, "another")), server::BudgetExhausted);
  EXPECT_EQ(centers_of("test"), "test");
}

TEST_F(TightHeldTest, AmongTooManySeriesItIsReported) {
  const auto train = eager_.open(open_of(samples_, "train"));
  hold("test");
  hold("val");
  const auto other = eager_.open(open_for(samples_, "other"));
  EXPECT_EQ(eager_.registry().size(), 3u);
  EXPECT_NE(is_held("test"), is_held("val"));
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_TRUE(train->close(1, false).report);
  EXPECT_NE(centers_of("test"), centers_of("val"));
}

TEST_F(TightHeldTest, IdentitiesOfSamplesOfTrainFindRoomToo) {
  const auto train = eager_.open(open_of(samples_, "train"));
  hold("test");
  const auto taken = services_.memory.reserve(services_.memory.limit() - services_.memory.used(),
                                              "all that is left");
  v1::Batch batch = batch_of(samples_, 0, 0, 80);
  std::vector<uint64_t> ids(80);
  std::iota(ids.begin(), ids.end(), 0);
  batch.set_sample_ids(ids.data(), ids.size() * sizeof(uint64_t));
  batch.set_crc32c(checksum_of(batch));
  add_batch(*train, batch);
  EXPECT_TRUE(is_held("test"));
  EXPECT_TRUE(train->close(1, false).report);
  EXPECT_EQ(centers_of("test"), "train");
}

TEST_F(TightHeldTest, ADroppedRunFreesWhatWasMerged) {
  const auto train = eager_.open(open_of(samples_, "train"));
  hold("test");
  EXPECT_TRUE(eager_.open(open_for(samples_, "other")));
  v1::DeleteRunRequest request;
  request.set_run("run");
  eager_.delete_run(request);
  EXPECT_EQ(eager_.registry().size(), 1u);
  request.set_run("other");
  eager_.delete_run(request);
  EXPECT_EQ(services_.memory.used(), 0u);
}

// Room for two accumulators on the card.
class CardHeldTest : public TightHeldTest {
 protected:
  CardHeldTest() : TightHeldTest(Accumulator::bytes_needed(3, 4, DType::kFloat32) * 9 / 2) {}
};

TEST_F(CardHeldTest, WhatWaitsMovesToTheHost) {
  const auto train = eager_.open(open_of(samples_, "train"));
  hold("test");
  EXPECT_EQ(services_.memory.used(), 0u);
  const auto other = eager_.open(open_for(samples_, "other"));
  EXPECT_TRUE(is_held("test"));
  EXPECT_GT(services_.memory.used(), 0u);
  add_batch(*train, batch_of(samples_, 0, 0, 80));
  EXPECT_TRUE(train->close(1, false).report);
  EXPECT_EQ(centers_of("test"), "train");
  EXPECT_EQ(services_.memory.used(), 0u);
}

TEST_F(CardHeldTest, AFullHostMakesTheReport) {
  const auto train = eager_.open(open_of(samples_, "train"));
  hold("test");
  const auto taken = services_.memory.reserve(services_.memory.limit(), "everything");
  const auto other = eager_.open(open_for(samples_, "other"));
  EXPECT_EQ(centers_of("test"), "test");
}

}  // namespace
}  // namespace ncscope::testing
