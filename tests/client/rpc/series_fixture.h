// A Series, and a server that fails where it is told to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "client/client.h"
#include "client/series.h"
#include "tests/client/rpc/scripted_server.h"

namespace ncscope::client {

inline constexpr size_t kRows = 4;
inline constexpr size_t kDim = 3;

inline const grpc::Status kLost(grpc::StatusCode::UNAVAILABLE, "connection lost");

inline v1::Open test_open() {
  v1::Open open;
  open.mutable_key()->set_run("run");
  open.set_num_classes(2);
  open.set_dim(kDim);
  open.set_data_type(v1::DATA_TYPE_FLOAT32);
  return open;
}

// Batch i holds i everywhere.
struct TestBatch {
  explicit TestBatch(uint64_t i)
      : features(kRows * kDim, static_cast<float>(i)), labels(kRows, static_cast<int64_t>(i)) {}
  BatchBytes bytes() const {
    BatchBytes batch;
    batch.rows = kRows;
    batch.features = std::as_bytes(std::span(features));
    batch.labels = std::as_bytes(std::span(labels));
    return batch;
  }
  std::vector<float> features;
  std::vector<int64_t> labels;
};

class SeriesTest : public ::testing::Test {
 protected:
  Client connect(ClientOptions options = {}) { return Client(server_.address(), options); }

  static void send_batches(Series& series, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) series.send(TestBatch(i).bytes());
  }

  // Expects that every batch came, in order, with its own content.
  void expect_batches(uint64_t count) const {
    uint64_t next = 0;
    for (const v1::Batch& batch : server_.batches()) {
      ASSERT_LE(batch.sequence(), next) << "a batch is missing";
      next = std::max(next, batch.sequence() + 1);
      const TestBatch expected(batch.sequence());
      EXPECT_EQ(batch.features(),
                std::string(reinterpret_cast<const char*>(expected.features.data()),
                            expected.features.size() * sizeof(float)));
    }
    EXPECT_EQ(next, count);
  }

  testing::ScriptedServer server_;
};

}  // namespace ncscope::client
