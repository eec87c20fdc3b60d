// Series against a server that fails where it is told to.
#include "client/series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "client/client.h"
#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "tests/client/rpc/scripted_server.h"

namespace ncscope::client {
namespace {

using testing::CallScript;

constexpr size_t kRows = 4;
constexpr size_t kDim = 3;

const grpc::Status kLost(grpc::StatusCode::UNAVAILABLE, "connection lost");

v1::Open test_open() {
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

// Batches of the caller's, whose memory is overwritten as soon as it is let go of.
class OwnedBatches {
 public:
  void send(Series& series, uint64_t i) {
    TestBatch& batch = *batches_.emplace_back(std::make_unique<TestBatch>(i));
    series.send(batch.bytes(), std::shared_ptr<const void>(&batch, [this, &batch](const void*) {
                  std::fill(batch.features.begin(), batch.features.end(), -1.0F);
                  std::fill(batch.labels.begin(), batch.labels.end(), -1);
                  ++released_;
                }));
  }
  void send_range(Series& series, uint64_t first, uint64_t end) {
    for (uint64_t i = first; i < end; ++i) send(series, i);
  }
  uint64_t sent() const { return batches_.size(); }
  uint64_t released() const { return released_; }

  // Threads of gRPC may be the last to let go.
  void wait_released(uint64_t count) const {
    while (released_ < count) std::this_thread::yield();
  }

 private:
  std::vector<std::unique_ptr<TestBatch>>
      batches_;  // there to the end, so that a late read is seen
  std::atomic<uint64_t> released_{0};
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

TEST_F(SeriesTest, SendsBatchesInOrderWithTheirChecksums) {
  Client client = connect();
  Series series = client.open(test_open());
  EXPECT_EQ(series.next_sequence(), 0u);
  send_batches(series, 20);
  EXPECT_EQ(series.close().closed_ranks(), 1u);
  expect_batches(20);
  for (const v1::Batch& batch : server_.batches()) {
    const std::string bulk =
        batch.labels() + batch.predictions() + batch.sample_ids() + batch.features();
    EXPECT_EQ(batch.crc32c(), crc32c(bulk.data(), bulk.size()));
    EXPECT_EQ(batch.rows(), kRows);
  }
  EXPECT_EQ(server_.close()->batches(), 20u);
  EXPECT_FALSE(server_.close()->partial());
}

TEST_F(SeriesTest, SendsTheClassifierInChunks) {
  Classifier classifier;
  classifier.num_classes = 300;
  classifier.dim = 1000;
  for (size_t i = 0; i < 300'000; ++i) classifier.weight.push_back(static_cast<double>(i));
  classifier.bias.assign(300, 0.5);
  Client client = connect();
  Series series = client.open(test_open());
  series.send_classifier(classifier);
  series.close(true);
  EXPECT_TRUE(server_.close()->partial());
  uint64_t elements = 0;
  for (const v1::ClassifierChunk& chunk : server_.chunks()) {
    EXPECT_LE(chunk.data().size(), size_t{1} << 20);
    if (chunk.array() != v1::ClassifierChunk::ARRAY_WEIGHT) continue;
    EXPECT_EQ(chunk.offset(), elements);
    elements += chunk.data().size() / sizeof(double);
  }
  EXPECT_EQ(elements, 300'000u);
  EXPECT_EQ(server_.chunks().back().array(), v1::ClassifierChunk::ARRAY_BIAS);
}

TEST_F(SeriesTest, GoesOnAfterLostConnections) {
  for (int i = 0; i < 3; ++i) {
    CallScript script;
    script.end_after = 4;
    script.status = kLost;
    server_.next_call(script);
  }
  Classifier classifier{2, kDim, {1, 2, 3, 4, 5, 6}, {}};
  Client client = connect();
  Series series = client.open(test_open());
  series.send_classifier(classifier);
  send_batches(series, 25);
  series.close();
  expect_batches(25);
  EXPECT_EQ(server_.opens().size(), 4u);
  EXPECT_EQ(server_.chunks().size(), 4u) << "each call gets the classifier";
}

// A server that shuts down cancels the calls that are left.
TEST_F(SeriesTest, GoesOnAfterTheServerCancelledACall) {
  CallScript in_a_batch;
  in_a_batch.end_after = 4;
  in_a_batch.status = grpc::Status::CANCELLED;
  CallScript at_open;
  at_open.end_at_open = true;
  at_open.status = grpc::Status::CANCELLED;
  server_.next_call(in_a_batch);
  server_.next_call(at_open);
  Client client = connect();
  Series series = client.open(test_open());
  send_batches(series, 10);
  series.close();
  expect_batches(10);
}

TEST_F(SeriesTest, SendsAgainWhatTheServerLacks) {
  CallScript first;
  first.end_after = 6;
  first.status = kLost;
  first.acknowledge = false;
  CallScript second;
  second.next_sequence = 2;
  server_.next_call(first);
  server_.next_call(second);
  Client client = connect();
  Series series = client.open(test_open());
  send_batches(series, 10);
  series.close();
  const auto batches = server_.batches();
  ASSERT_EQ(batches.size(), 6u + 8u);
  EXPECT_EQ(batches[6].sequence(), 2u);
  EXPECT_EQ(batches.back().sequence(), 9u);
}

TEST_F(SeriesTest, AsksForBatchesThatAreKeptNoLonger) {
  CallScript first;
  first.end_at_close = true;
  first.status = kLost;
  CallScript second;
  second.next_sequence = 0;
  server_.next_call(first);
  server_.next_call(second);
  Client client = connect();
  Series series = client.open(test_open());
  send_batches(series, 5);
  while (series.received() < 5) std::this_thread::yield();
  series.send(TestBatch(5).bytes());  // forgets what is acknowledged
  try {
    series.close();
    FAIL() << "expected Rewound";
  } catch (const Rewound& rewound) {
    EXPECT_EQ(rewound.next_sequence(), 0u);
  }
}

TEST_F(SeriesTest, ClosesAgainAfterAConnectionLostAtClose) {
  CallScript first;
  first.end_at_close = true;
  first.status = kLost;
  server_.next_call(first);
  Client client = connect();
  Series series = client.open(test_open());
  send_batches(series, 3);
  EXPECT_EQ(series.close().closed_ranks(), 1u);
  expect_batches(3);
}

// A server whose card is lost over the same batches each time: it would be for ever.
TEST_F(SeriesTest, GivesUpWhereRecoveriesLeadNowhere) {
  CallScript script;  // takes two batches more, and is lost in the next
  script.end_after = 3;
  script.status = kLost;
  server_.next_call(script);
  script.next_sequence = 2;
  script.end_after = 1;
  for (int i = 0; i < 20; ++i) server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      if (attempt == 0) send_batches(series, 10);
      series.close();
      FAIL() << "expected NoProgress";
    } catch (const NoProgress& error) {
      EXPECT_EQ(error.code(), "UNAVAILABLE");
      EXPECT_EQ(error.text(),
                "lost 4 times in a row with 2 batches acknowledged and no more, last by: connection"
                " lost; its log says more; mend the cause, then stream the epoch again");
    }
    EXPECT_EQ(server_.opens().size(), 1u + kMaxFutileRecoveries);
  }
}

TEST_F(SeriesTest, GivesUpWhereEachCloseIsLost) {
  CallScript script;
  script.end_at_close = true;
  script.status = kLost;
  for (int i = 0; i < 20; ++i) server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  send_batches(series, 3);
  try {
    series.close();
    FAIL() << "expected NoProgress";
  } catch (const NoProgress& error) {
    EXPECT_NE(error.text().find("with 3 batches acknowledged"), std::string::npos) << error.text();
    EXPECT_NE(error.text().find("the report may still be made"), std::string::npos);
  }
  // One more where the first close came before the acknowledgement of the last batch.
  EXPECT_LE(server_.opens().size(), 2u + kMaxFutileRecoveries);
}

// A proxy ends each call after a while; the server, which has all batches, makes the report.
TEST_F(SeriesTest, GoesOnWhereCallsLastUntilTheyAreCut) {
  CallScript script;
  script.end_at_close = true;
  script.status = kLost;
  for (int i = 0; i < 3 * kMaxFutileRecoveries; ++i) server_.next_call(script);
  ClientOptions options;
  options.lasting_call = std::chrono::milliseconds(0);
  Client client = connect(options);
  Series series = client.open(test_open());
  send_batches(series, 3);
  series.close();
  expect_batches(3);
}

// It comes back without the batches: no proxy.
TEST_F(SeriesTest, GivesUpOnAServerThatIsLostLateOverTheReportEachTime) {
  CallScript script;
  script.next_sequence = 0;
  script.end_at_close = true;
  script.status = kLost;
  for (int i = 0; i < 20; ++i) server_.next_call(script);
  ClientOptions options;
  options.lasting_call = std::chrono::milliseconds(0);
  Client client = connect(options);
  Series series = client.open(test_open());
  send_batches(series, 1);  // one is kept until another is sent
  EXPECT_THROW(series.close(), NoProgress);
  EXPECT_EQ(server_.opens().size(), 1u + kMaxFutileRecoveries);
}

// Sent anew, they are compared; the server says each time how far it is.
TEST_F(SeriesTest, BatchesThatTheServerHadAreProgressOfThisSeries) {
  constexpr size_t kCuts = 3 * kMaxFutileRecoveries;
  CallScript script;
  script.next_sequence = uint64_t{1} << 40;
  script.end_after = 2;  // the first is acknowledged
  script.status = kLost;
  for (size_t i = 0; i < kCuts; ++i) server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  series.rewind();
  for (uint64_t i = 0; server_.opens().size() <= kCuts; ++i) series.send(TestBatch(i).bytes());
  series.close();
}

TEST_F(SeriesTest, ThoseWithoutAcknowledgementAreNone) {
  CallScript script;
  script.next_sequence = uint64_t{1} << 40;
  script.end_after = 1;  // no acknowledgement
  script.status = kLost;
  for (int i = 0; i < 100; ++i) server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  series.rewind();
  EXPECT_THROW(
      for (uint64_t i = 0; server_.opens().size() < 50; ++i) series.send(TestBatch(i).bytes()),
      NoProgress);
}

TEST_F(SeriesTest, GoesOnAsLongAsBatchesAreAcknowledged) {
  CallScript script;
  script.end_after = 1;
  script.status = kLost;
  for (int i = 0; i < 5 * kMaxFutileRecoveries; ++i) server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  send_batches(series, 20);
  series.close();
  expect_batches(20);
}

TEST_F(SeriesTest, CarriesTheServersRefusal) {
  CallScript script;
  script.end_after = 2;
  script.status = {grpc::StatusCode::INVALID_ARGUMENT, "row 3: expected a label in [0, 2), got 7"};
  server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  try {
    send_batches(series, 10'000);
    series.close();
    FAIL() << "expected ServerError";
  } catch (const ServerError& error) {
    EXPECT_EQ(error.code(), "INVALID_ARGUMENT");
    EXPECT_EQ(error.text(), "row 3: expected a label in [0, 2), got 7");
    EXPECT_EQ(std::string(error.what()),
              "server " + server_.address() + ": " + error.text() + " (INVALID_ARGUMENT)");
  }
  EXPECT_EQ(server_.opens().size(), 1u) << "a refusal is not tried again";
}

TEST_F(SeriesTest, SendsWhatTheCallerOwnsAndLetsGoOfAllOfIt) {
  OwnedBatches batches;
  {
    Client client = connect();
    Series series = client.open(test_open());
    batches.send_range(series, 0, 50);
    series.close();
  }
  expect_batches(50);
  batches.wait_released(50);
}

TEST_F(SeriesTest, HoldsWhatTheCallerOwnsUntilItIsAcknowledged) {
  CallScript script;
  script.acknowledge = false;
  server_.next_call(script);
  OwnedBatches batches;
  Client client = connect();
  Series series = client.open(test_open());
  batches.send_range(series, 0, 5);
  while (server_.batches().size() < 5) std::this_thread::yield();
  EXPECT_EQ(batches.released(), 0u);
  server_.acknowledge_all();
  while (series.received() < 5) std::this_thread::yield();
  batches.send(series, 5);  // lets go of what is acknowledged
  batches.wait_released(5);
  EXPECT_EQ(batches.released(), 5u);
  series.close();
}

TEST_F(SeriesTest, SendsWhatTheCallerOwnsAgainAfterLostConnections) {
  for (int i = 0; i < 3; ++i) {
    CallScript script;
    script.end_after = 4;
    script.status = kLost;
    script.acknowledge = i != 1;
    server_.next_call(script);
  }
  OwnedBatches batches;
  {
    Client client = connect();
    Series series = client.open(test_open());
    batches.send_range(series, 0, 25);
    series.close();
  }
  expect_batches(25);
  batches.wait_released(25);
}

TEST_F(SeriesTest, LetsGoOfWhatTheCallerOwnsWhenTheServerStaysAway) {
  ClientOptions options;
  options.reconnect_timeout = std::chrono::milliseconds(200);
  OwnedBatches batches;
  {
    Client client = connect(options);
    Series series = client.open(test_open());
    server_.shut_down();
    EXPECT_THROW(
        {
          batches.send_range(series, 0, 100);
          series.close();
        },
        ServerError);
  }
  batches.wait_released(batches.sent());
}

// A server with a log: what it has received, and could lose, is kept.
TEST_F(SeriesTest, KeepsBatchesUntilTheyAreDurableWhereTheServerSaysSo) {
  CallScript first;
  first.durable = 2;
  first.end_after = 6;
  first.status = kLost;
  CallScript second;
  second.next_sequence = 3;
  server_.next_call(first);
  server_.next_call(second);
  OwnedBatches batches;
  Client client = connect();
  Series series = client.open(test_open());
  batches.send_range(series, 0, 5);
  while (series.received() < 5) std::this_thread::yield();
  EXPECT_EQ(series.durable(), 3u);
  batches.send(series, 5);
  series.close();
  expect_batches(6);
  EXPECT_EQ(server_.batches()[6].sequence(), 3u);
}

// The connection was lost, and the server was not: what it has is not durable by that.
TEST_F(SeriesTest, KeepsBatchesThatAreNotDurableOverCalls) {
  CallScript first;
  first.durable = 2;
  first.end_after = 6;
  first.status = kLost;
  CallScript second;
  second.next_sequence = 6;
  second.tells_durable = true;
  second.end_after = 1;
  second.status = kLost;
  CallScript third;
  third.next_sequence = 3;
  third.tells_durable = true;
  server_.next_call(first);
  server_.next_call(second);
  server_.next_call(third);
  Client client = connect();
  Series series = client.open(test_open());
  send_batches(series, 5);
  while (series.received() < 5) std::this_thread::yield();
  for (uint64_t i = 5; i < 8; ++i) series.send(TestBatch(i).bytes());
  series.close();
  expect_batches(8);
  std::vector<uint64_t> numbers;
  for (const v1::Batch& batch : server_.batches()) numbers.push_back(batch.sequence());
  EXPECT_EQ(std::count(numbers.begin(), numbers.end(), 4u), 2)
      << "sent once by each that lacked it";
}

TEST_F(SeriesTest, WaitsUntilBatchesAreDurableWhileTheWindowIsFull) {
  CallScript script;
  script.durable = 0;
  server_.next_call(script);
  ClientOptions options;
  options.window_bytes = 500;  // a batch has some 100 bytes
  Client client = connect(options);
  std::atomic<bool> sent = false;
  std::thread sender([&] {
    Series series = client.open(test_open());
    send_batches(series, 40);
    series.close();
    sent = true;
  });
  while (server_.batches().size() < 4) std::this_thread::yield();
  while (!sent) {
    server_.make_all_durable();
    std::this_thread::yield();
  }
  sender.join();
  expect_batches(40);
  EXPECT_LE(server_.most_not_durable(), 6u);
}

TEST_F(SeriesTest, WaitsForAcknowledgementsWhileTheWindowIsFull) {
  CallScript script;
  script.acknowledge = false;
  server_.next_call(script);
  ClientOptions options;
  options.window_bytes = 500;  // a batch has some 100 bytes
  Client client = connect(options);
  std::atomic<bool> sent = false;
  std::thread sender([&] {
    Series series = client.open(test_open());
    send_batches(series, 40);
    series.close();
    sent = true;
  });
  while (server_.batches().size() < 4) std::this_thread::yield();
  while (!sent) {
    server_.acknowledge_all();
    std::this_thread::yield();
  }
  sender.join();
  expect_batches(40);
  EXPECT_LE(server_.most_unacknowledged(), 5u);
}

TEST_F(SeriesTest, GoesOnWhereAnEarlierCallStopped) {
  CallScript script;
  script.next_sequence = 7;
  server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  EXPECT_EQ(series.next_sequence(), 7u);
  series.send(TestBatch(7).bytes());
  series.close();
  EXPECT_EQ(server_.batches().front().sequence(), 7u);
  EXPECT_EQ(server_.close()->batches(), 8u);
}

TEST_F(SeriesTest, RewoundToTheStartSendsEverything) {
  CallScript script;
  script.next_sequence = 7;
  server_.next_call(script);
  Client client = connect();
  Series series = client.open(test_open());
  series.rewind();
  send_batches(series, 8);
  series.close();
  expect_batches(8);
}

TEST_F(SeriesTest, GivesUpOnAServerThatDoesNotComeBack) {
  ClientOptions options;
  options.reconnect_timeout = std::chrono::milliseconds(200);
  Client client = connect(options);
  Series series = client.open(test_open());
  server_.shut_down();
  try {
    send_batches(series, 10'000);
    series.close();
    FAIL() << "expected ServerError";
  } catch (const ServerError& error) {
    EXPECT_EQ(error.code(), "UNAVAILABLE");
  }
}

TEST_F(SeriesTest, GivesUpOnAServerThatDoesNotAnswer) {
  CallScript script;
  script.answer_open = false;
  server_.next_call(script);
  ClientOptions options;
  options.call_timeout = std::chrono::milliseconds(200);
  Client client = connect(options);
  try {
    client.open(test_open());
    FAIL() << "expected ServerError";
  } catch (const ServerError& error) {
    EXPECT_EQ(error.code(), "DEADLINE_EXCEEDED");
  }
}

TEST_F(SeriesTest, RefusesABatchLargerThanTheServerTakes) {
  Client client = connect();
  Series series = client.open(test_open());
  const std::vector<std::byte> large(size_t{9} << 20);
  BatchBytes batch;
  batch.rows = 1;
  batch.features = large;
  EXPECT_THROW(series.send(batch), InvalidArgument);
  send_batches(series, 2);
  series.close();
  expect_batches(2);
}

TEST_F(SeriesTest, ManyLargeBatchesAndAcknowledgementsDoNotBlockEachOther) {
  Client client = connect();
  Series series = client.open(test_open());
  const std::vector<std::byte> bytes(size_t{256} << 10);
  BatchBytes batch;
  batch.rows = 1;
  batch.features = bytes;
  for (int i = 0; i < 300; ++i) series.send(batch);
  series.close();
  EXPECT_EQ(server_.batches().size(), 300u);
}

}  // namespace
}  // namespace ncscope::client
