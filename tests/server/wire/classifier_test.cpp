// The classifier on the wire.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

class ClassifierTest : public ::testing::Test {
 protected:
  ClassifierTest()
      : samples_(make_samples(90, 8, 4, DType::kFloat32, 60)), open_(open_for(samples_)) {}

  v1::ClassifierChunk weight_chunk(uint64_t offset, size_t count) const {
    v1::ClassifierChunk chunk = chunks_of(*samples_.classifier, 1000)[0];
    chunk.set_offset(offset);
    chunk.set_data(chunk.data().substr(offset * 8, count * 8));
    return chunk;
  }

  // Sends the chunks after the samples, then closes.
  grpc::Status send(const std::vector<v1::ClassifierChunk>& chunks, v1::Closed* answer = nullptr) {
    StreamCall call(live_.stub());
    const auto opened = call.open(open_);
    if (opened && opened->next_sequence() == 0) call.batch(batch_of(samples_, 0, 0, 90));
    for (const auto& chunk : chunks) call.chunk(chunk);
    const auto closed = call.close(1);
    if (closed && answer != nullptr) *answer = *closed;
    return call.finish();
  }

  void expect_right_report() {
    v1::Closed closed;
    ASSERT_TRUE(send(chunks_of(*samples_.classifier, 1000), &closed).ok());
    ASSERT_TRUE(closed.has_report());
    EXPECT_EQ(difference(local_report(samples_), closed.report(), 1e-15), "");
  }

  LiveServer live_;
  Samples samples_;
  v1::Open open_;
};

TEST_F(ClassifierTest, SmallChunksAreOneClassifier) {
  v1::Closed closed;
  ASSERT_TRUE(send(chunks_of(*samples_.classifier, 3), &closed).ok());
  EXPECT_EQ(difference(local_report(samples_), closed.report(), 1e-15), "");
}

TEST_F(ClassifierTest, IncompleteAtCloseSaysHowMuchCame) {
  expect_status(send({weight_chunk(0, 20)}), grpc::FAILED_PRECONDITION,
                {"weight", "expected 32", "got 20"});
  expect_right_report();
}

TEST_F(ClassifierTest, AGapIsRefused) {
  expect_status(send({weight_chunk(0, 8), weight_chunk(16, 8)}), grpc::FAILED_PRECONDITION,
                {"expected offset 8", "got 16"});
  expect_right_report();
}

TEST_F(ClassifierTest, OffsetZeroStartsAnew) {
  auto chunks = chunks_of(*samples_.classifier, 1000);
  chunks.insert(chunks.begin(), weight_chunk(0, 30));
  v1::Closed closed;
  ASSERT_TRUE(send(chunks, &closed).ok());
  EXPECT_EQ(difference(local_report(samples_), closed.report(), 1e-15), "");
}

TEST_F(ClassifierTest, TooManyElementsAreRefused) {
  v1::ClassifierChunk chunk = weight_chunk(0, 32);
  chunk.mutable_data()->append(8, '\0');
  expect_status(send({chunk}), grpc::INVALID_ARGUMENT, {"expected 32 elements", "got 33"});
  expect_right_report();
}

TEST_F(ClassifierTest, OddBytesAreRefused) {
  v1::ClassifierChunk chunk = weight_chunk(0, 32);
  chunk.mutable_data()->pop_back();
  expect_status(send({chunk}), grpc::INVALID_ARGUMENT, {"multiple of 8", "got 255"});
  chunk.clear_data();
  expect_status(send({chunk}), grpc::INVALID_ARGUMENT, {"multiple of 8", "got 0"});
  expect_right_report();
}

TEST_F(ClassifierTest, UnknownArraysAndTypesAreRefused) {
  v1::ClassifierChunk chunk = weight_chunk(0, 32);
  chunk.set_array(v1::ClassifierChunk::ARRAY_UNSPECIFIED);
  expect_status(send({chunk}), grpc::INVALID_ARGUMENT, {"WEIGHT or BIAS"});
  chunk = weight_chunk(0, 32);
  chunk.set_data_type(v1::DATA_TYPE_BFLOAT16);
  expect_status(send({chunk}), grpc::INVALID_ARGUMENT, {"features' float32", "got bfloat16"});
  chunk.clear_data_type();
  expect_status(send({chunk}), grpc::INVALID_ARGUMENT, {"data_type"});
  expect_right_report();
}

TEST_F(ClassifierTest, NonfiniteValuesAreRefused) {
  Classifier bad = *samples_.classifier;
  bad.weight[9] = NAN;
  expect_status(send(chunks_of(bad, 1000)), grpc::INVALID_ARGUMENT, {"finite", "element 9"});
  expect_right_report();
}

TEST_F(ClassifierTest, BiasWithoutWeightIsRefused) {
  expect_status(send({chunks_of(*samples_.classifier, 1000).back()}), grpc::FAILED_PRECONDITION,
                {"bias only"});
  expect_right_report();
}

TEST_F(ClassifierTest, Float32IsTakenAsItIs) {
  for (auto* values : {&samples_.classifier->weight, &samples_.classifier->bias}) {
    for (double& value : *values) value = static_cast<float>(value);
  }
  auto chunks = chunks_of(*samples_.classifier, 1000);
  for (auto& chunk : chunks) {
    std::string narrow;
    for (size_t i = 0; i < chunk.data().size() / 8; ++i) {
      double value;
      std::memcpy(&value, chunk.data().data() + i * 8, 8);
      const float single = static_cast<float>(value);
      narrow.append(reinterpret_cast<const char*>(&single), 4);
    }
    chunk.set_data_type(v1::DATA_TYPE_FLOAT32);
    chunk.set_data(narrow);
  }
  v1::Closed closed;
  ASSERT_TRUE(send(chunks, &closed).ok());
  EXPECT_EQ(difference(local_report(samples_), closed.report(), 1e-15), "");
}

TEST_F(ClassifierTest, RanksMustAgree) {
  open_.set_world_size(2);
  ASSERT_TRUE(send(chunks_of(*samples_.classifier, 1000)).ok());
  open_.set_rank(1);
  Classifier other = *samples_.classifier;
  other.weight[5] += 0.5;
  expect_status(send(chunks_of(other, 1000)), grpc::ALREADY_EXISTS, {"rank 0", "rank 1", "weight"});
  v1::Closed closed;
  ASSERT_TRUE(send(chunks_of(*samples_.classifier, 7), &closed).ok());
  EXPECT_TRUE(closed.has_report());
}

}  // namespace
}  // namespace ncscope::testing
