// What a Series sends, and how it goes on after lost connections.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "client/client.h"
#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "tests/client/rpc/series_fixture.h"

namespace ncscope::client {
namespace {

using testing::CallScript;

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

}  // namespace
}  // namespace ncscope::client
