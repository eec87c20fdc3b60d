// METRICS.md section 4 on the wire. After each refusal the server serves, and the batches that came
// before are intact: the report is that of a stream that nothing happened to, to the bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

constexpr size_t kRows = 40;  // of a batch
constexpr size_t kDim = 6;
constexpr size_t kClasses = 4;

template <class T>
void poke(std::string& bytes, size_t index, T value) {
  std::memcpy(bytes.data() + index * sizeof(T), &value, sizeof(T));
}

struct Refusal {
  const char* name;
  void (*spoil)(v1::Batch&);
  grpc::StatusCode code;
  std::vector<std::string> parts;
};

const float kNan = std::numeric_limits<float>::quiet_NaN();

const Refusal kRefusals[] = {
    {"NanFeature",
     [](v1::Batch& b) { poke(*b.mutable_features(), 3 * kDim + 2, kNan); },
     grpc::INVALID_ARGUMENT,
     {"row 3", "column 2"}},
    {"InfiniteFeature",
     [](v1::Batch& b) { poke(*b.mutable_features(), 39 * kDim + 5, -INFINITY); },
     grpc::INVALID_ARGUMENT,
     {"row 39", "column 5"}},
    {"LabelTooLarge",
     [](v1::Batch& b) { poke<int64_t>(*b.mutable_labels(), 7, 4); },
     grpc::INVALID_ARGUMENT,
     {"row 7", "4"}},
    {"LabelBelowZero",
     [](v1::Batch& b) { poke<int64_t>(*b.mutable_labels(), 0, -1); },
     grpc::INVALID_ARGUMENT,
     {"row 0", "-1"}},
    {"LabelBeyondInt32",
     [](v1::Batch& b) { poke<int64_t>(*b.mutable_labels(), 1, int64_t{1} << 32); },
     grpc::INVALID_ARGUMENT,
     {"row 1", "4294967296"}},
    {"FeaturesTooShort",
     [](v1::Batch& b) { b.mutable_features()->resize(kRows * kDim * 4 - 4); },
     grpc::INVALID_ARGUMENT,
     {"960", "956"}},
    {"FeaturesOfAnotherDim",
     [](v1::Batch& b) { b.mutable_features()->resize(kRows * (kDim + 1) * 4); },
     grpc::INVALID_ARGUMENT,
     {"960", "1120"}},
    {"FeaturesOfAnotherType",
     [](v1::Batch& b) { b.mutable_features()->resize(kRows * kDim * 8); },
     grpc::INVALID_ARGUMENT,
     {"960", "1920"}},
    {"LabelsOfAnotherType",
     [](v1::Batch& b) { b.mutable_labels()->resize(kRows * 4); },
     grpc::INVALID_ARGUMENT,
     {"320", "160"}},
    {"PredictionsTooShort",
     [](v1::Batch& b) { b.set_predictions(std::string(8, '\0')); },
     grpc::INVALID_ARGUMENT,
     {"320", "8"}},
    {"PredictionsInOneBatchOnly",
     [](v1::Batch& b) { b.set_predictions(b.labels()); },
     grpc::INVALID_ARGUMENT,
     {"expected no predictions"}},
    {"SampleIdsTooShort",
     [](v1::Batch& b) { b.set_sample_ids(std::string(16, '\0')); },
     grpc::INVALID_ARGUMENT,
     {"320", "16"}},
    {"RowsMoreThanBytes",
     [](v1::Batch& b) { b.set_rows(4'000'000'000u); },
     grpc::INVALID_ARGUMENT,
     {"4000000000"}},
    {"NoRows", [](v1::Batch& b) { b.set_rows(0); }, grpc::INVALID_ARGUMENT, {"at least 1 row"}},
    {"WrongChecksum",
     [](v1::Batch& b) { b.set_crc32c(checksum_of(b) ^ 1); },
     grpc::DATA_LOSS,
     {"CRC-32C"}},
    {"Gap",
     [](v1::Batch& b) { b.set_sequence(5); },
     grpc::FAILED_PRECONDITION,
     {"expected sequence 2", "got 5"}},
};

class RefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, LeavesNoTrace) {
  LiveServer live;
  const Samples samples = make_samples(4 * kRows, kDim, kClasses, DType::kFloat32, 20);
  const v1::Open open = open_for(samples);
  const auto batches = batches_of(samples, kRows);

  StreamCall call(live.stub());
  ASSERT_TRUE(call.open(open));
  ASSERT_TRUE(call.batch(batches[0]));
  ASSERT_TRUE(call.batch(batches[1]));
  v1::Batch bad = batches[2];
  GetParam().spoil(bad);
  EXPECT_FALSE(call.batch(bad));
  expect_status(call.finish(), GetParam().code, GetParam().parts);

  StreamCall again(live.stub());
  const auto opened = again.open(open);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->next_sequence(), 2u);
  ASSERT_TRUE(again.batch(batches[2]));
  ASSERT_TRUE(again.batch(batches[3]));
  for (const auto& chunk : chunks_of(*samples.classifier, 1000)) again.chunk(chunk);
  const auto closed = again.close(4);
  ASSERT_TRUE(closed && closed->has_report());
  EXPECT_TRUE(again.finish().ok());
  EXPECT_EQ(comparable(closed->report()), comparable(live.undisturbed(samples, open, kRows)));
}

INSTANTIATE_TEST_SUITE_P(Wire, RefusalTest, ::testing::ValuesIn(kRefusals),
                         [](const auto& info) { return std::string(info.param.name); });

// The samples with some rows taken out.
Samples without_rows(const Samples& samples, const std::vector<size_t>& rows) {
  Samples out = samples;
  out.features.clear();
  out.labels.clear();
  for (size_t row = 0; row < samples.rows(); ++row) {
    if (std::find(rows.begin(), rows.end(), row) != rows.end()) continue;
    out.labels.push_back(samples.labels[row]);
    for (size_t j = 0; j < samples.dim; ++j) {
      out.features.push_back(samples.features[row * samples.dim + j]);
    }
  }
  return out;
}

TEST(DroppedRows, NonfiniteOnRequestAndIgnoreIndex) {
  LiveServer live;
  Samples samples = make_samples(200, kDim, kClasses, DType::kFloat32, 21);
  const v1::Report expected = local_report(without_rows(samples, {3, 77, 150}));
  samples.features[3 * kDim + 1] = NAN;
  samples.features[77 * kDim] = INFINITY;
  samples.labels[150] = -7;
  v1::Open open = open_for(samples);
  open.set_nonfinite(v1::NONFINITE_POLICY_SKIP);
  open.set_ignore_index(-7);
  const auto closed = stream_all(live.stub(), open, samples, 64);
  ASSERT_TRUE(closed && closed->has_report());
  v1::Report report = closed->report();
  EXPECT_EQ(report.data().samples(), 197u);
  EXPECT_EQ(report.data().skipped_nonfinite(), 2u);
  EXPECT_EQ(report.data().ignored(), 1u);
  report.mutable_data()->clear_skipped_nonfinite();
  report.mutable_data()->clear_ignored();
  EXPECT_EQ(difference(expected, report, 1e-12), "");
}

TEST(DroppedRows, SamplesThatCameBeforeAreCountedOnce) {
  LiveServer live;
  const Samples samples = make_samples(90, kDim, kClasses, DType::kFloat32, 22);
  const v1::Report expected = local_report(samples);
  v1::Open open = open_for(samples);
  open.set_world_size(2);
  const auto with_ids = [&](uint64_t sequence, size_t first, size_t count) {
    v1::Batch batch = batch_of(samples, sequence, first, count);
    for (uint64_t id = first; id < first + count; ++id) {
      batch.mutable_sample_ids()->append(reinterpret_cast<const char*>(&id), 8);
    }
    return batch;
  };
  StreamCall one(live.stub());
  ASSERT_TRUE(one.open(open));
  ASSERT_TRUE(one.batch(with_ids(0, 0, 50)));
  for (const auto& chunk : chunks_of(*samples.classifier, 7)) one.chunk(chunk);
  ASSERT_TRUE(one.close(1));
  open.set_rank(1);
  StreamCall two(live.stub());
  ASSERT_TRUE(two.open(open));
  ASSERT_TRUE(two.batch(with_ids(0, 40, 50)));  // 10 of them came before
  const auto closed = two.close(1);
  ASSERT_TRUE(closed && closed->has_report());
  v1::Report report = closed->report();
  EXPECT_EQ(report.data().samples(), 90u);
  ASSERT_EQ(report.warnings_size(), expected.warnings_size() + 1);
  const v1::Warning& warning = report.warnings(report.warnings_size() - 1);
  EXPECT_EQ(warning.code(), "duplicate_samples");
  EXPECT_THAT(warning.message(), ::testing::HasSubstr("10 rows"));
  report.mutable_warnings()->RemoveLast();
  EXPECT_EQ(difference(expected, report, 1e-6), "");
}

}  // namespace
}  // namespace ncscope::testing
