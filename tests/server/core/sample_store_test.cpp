#include "server/core/sample_store.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "server/core/errors.h"
#include "tests/support/arrays.h"

namespace ncscope::testing {
namespace {

using server::SampleBatch;
using server::SampleLog;
using server::SampleStore;

constexpr size_t kColumns = 3;

// `rows` rows whose values are `seed`, seed + 1, ...
std::shared_ptr<SampleBatch> numbered_batch(size_t rows, float seed, bool predictions) {
  std::vector<float> features(rows * kColumns);
  for (size_t i = 0; i < features.size(); ++i) features[i] = seed + static_cast<float>(i);
  std::vector<int64_t> labels(rows);
  for (size_t i = 0; i < rows; ++i) labels[i] = static_cast<int64_t>(i % 5);
  BatchSpec spec{5, kColumns, DType::kFloat32, LabelWidth::kInt64, false, -100};
  const auto bytes = [](const auto& values) { return std::as_bytes(std::span(values)); };
  RawBatch raw{rows, bytes(features), bytes(labels), {}};
  if (predictions) raw.predictions = bytes(labels);
  return std::make_shared<SampleBatch>(std::make_shared<const AdmittedBatch>(admit(raw, spec)));
}

void expect_numbered(const Batch& batch, size_t rows, float seed, bool predictions) {
  ASSERT_EQ(batch.rows, rows);
  ASSERT_EQ(batch.dim, kColumns);
  ASSERT_EQ(batch.type, DType::kFloat32);
  ASSERT_EQ(batch.predictions != nullptr, predictions);
  for (size_t i = 0; i < rows * kColumns; ++i) {
    float value;
    std::memcpy(&value, static_cast<const char*>(batch.features) + i * sizeof(float),
                sizeof(float));
    ASSERT_EQ(value, seed + static_cast<float>(i));
  }
  for (size_t i = 0; i < rows; ++i) {
    ASSERT_EQ(batch.labels[i], static_cast<int32_t>(i % 5));
    ASSERT_EQ(predictions ? batch.predictions[i] : batch.labels[i], static_cast<int32_t>(i % 5));
  }
}

class SampleLogTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

class SampleLogOrderTest : public SampleLogTest, public ::testing::WithParamInterface<bool> {};

TEST_P(SampleLogOrderTest, MemoryAndSpoolAreReadInOrder) {
  const size_t one = numbered_batch(10, 0, GetParam())->bytes();
  SampleStore store(folder_.path(), 2 * one);
  SampleLog log(store, nullptr, 0);
  for (int i = 0; i < 5; ++i) {
    log.append(numbered_batch(10, static_cast<float>(100 * i), GetParam()), {});
  }
  EXPECT_EQ(store.memory_used(), 2 * one);
  EXPECT_EQ(store.spool_used(), 3u * (10 * kColumns * 4 + (GetParam() ? 80 : 40)));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));  // the file has no name
  int seen = 0;
  log.for_each(0, [&](const Batch& batch) {
    expect_numbered(batch, 10, static_cast<float>(100 * seen++), GetParam());
  });
  EXPECT_EQ(seen, 5);
  log.clear();
  EXPECT_EQ(store.memory_used(), 0u);
  EXPECT_EQ(store.spool_used(), 0u);
}

TEST_P(SampleLogOrderTest, PopTakesTheLastOneAway) {
  for (const size_t limit : {size_t{0}, size_t{1} << 20}) {
    SampleStore store(folder_.path(), limit);
    SampleLog log(store, nullptr, 0);
    log.append(numbered_batch(4, 0, GetParam()), {});
    log.append(numbered_batch(9, 50, GetParam()), {});
    log.pop();
    log.append(numbered_batch(2, 70, GetParam()), {});
    std::vector<size_t> rows;
    log.for_each(0, [&](const Batch& batch) { rows.push_back(batch.rows); });
    EXPECT_EQ(rows, (std::vector<size_t>{4, 2}));
    log.for_each(0, [&](const Batch& batch) {
      expect_numbered(batch, batch.rows, batch.rows == 4 ? 0 : 70, GetParam());
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Predictions, SampleLogOrderTest, ::testing::Bool());

TEST_F(SampleLogTest, DroppedRowsStayDroppedInTheSpool) {
  SampleStore store(folder_.path(), 0);
  SampleLog log(store, nullptr, 0);
  const auto batch = numbered_batch(4, 0, false);
  batch->drop({1, 3});
  EXPECT_EQ(batch->samples(), 2u);
  log.append(batch, {});
  log.for_each(0, [](const Batch& read) {
    EXPECT_EQ(read.labels[0], 0);
    EXPECT_EQ(read.labels[1], kDroppedRow);
    EXPECT_EQ(read.labels[2], 2);
    EXPECT_EQ(read.labels[3], kDroppedRow);
  });
}

TEST_F(SampleLogTest, AMissingFolderIsSaidAndChangesNothing) {
  SampleStore store(folder_ / "none", 0);
  SampleLog log(store, nullptr, 0);
  EXPECT_THROW(log.append(numbered_batch(4, 0, false), {}), server::ResourceExhausted);
  int seen = 0;
  log.for_each(0, [&](const Batch&) { ++seen; });
  EXPECT_EQ(seen, 0);
  EXPECT_EQ(store.spool_used(), 0u);
}

// One of every 2^level batches in a row, those of a level among those of all lower ones.
TEST(InSample, EachBlockHasOne) {
  for (const uint32_t rank : {0u, 1u, 7u}) {
    for (uint32_t level = 0; level < 10; ++level) {
      const uint64_t block = uint64_t{1} << level;
      std::vector<uint64_t> places(block);
      for (uint64_t first = 0; first < 8192; first += block) {
        uint64_t count = 0;
        for (uint64_t i = 0; i < block; ++i) {
          const bool stays = server::in_sample(rank, first + i, level);
          count += stays ? 1 : 0;
          places[i] += stays ? 1 : 0;
          if (stays && level > 0) {
            EXPECT_TRUE(server::in_sample(rank, first + i, level - 1));
          }
        }
        EXPECT_EQ(count, 1u) << rank << " " << level << " " << first;
      }
      // No place is preferred: five standard deviations.
      const double n = 8192.0 / static_cast<double>(block);
      const double p = 1.0 / static_cast<double>(block);
      for (const uint64_t at : places) {
        EXPECT_NEAR(static_cast<double>(at), n * p, 5 * std::sqrt(n * p) + 2);
      }
    }
  }
}

}  // namespace
}  // namespace ncscope::testing
