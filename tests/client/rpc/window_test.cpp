// What a Series keeps until the server is sure of it, and what is the caller's.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "client/client.h"
#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "tests/client/rpc/series_fixture.h"

namespace ncscope::client {
namespace {

using testing::CallScript;

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

// Sends 40 batches, of which some five fit the window, while `answer` is called over and over.
class FullWindowTest : public SeriesTest {
 protected:
  void send_while(const CallScript& script, const std::function<void()>& answer) {
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
      answer();
      std::this_thread::yield();
    }
    sender.join();
    expect_batches(40);
  }
};

TEST_F(FullWindowTest, WaitsUntilBatchesAreDurable) {
  CallScript script;
  script.durable = 0;
  send_while(script, [&] { server_.make_all_durable(); });
  EXPECT_LE(server_.most_not_durable(), 6u);
}

TEST_F(FullWindowTest, WaitsForAcknowledgements) {
  CallScript script;
  script.acknowledge = false;
  send_while(script, [&] { server_.acknowledge_all(); });
  EXPECT_LE(server_.most_unacknowledged(), 5u);
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
