// How messages are received: in any layout, in order, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "tests/server/live_server.h"
#include "tests/server/raw_stream.h"
#include "tests/server/requests.h"
#include "tests/server/scripted_sessions.h"

namespace ncscope::testing {
namespace {

using server::IncomingBatch;

// A length-delimited field.
std::string field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  size_t length = bytes.size();
  for (; length >= 0x80; length >>= 7) out.push_back(static_cast<char>(length | 0x80));
  out.push_back(static_cast<char>(length));
  return out + bytes;
}

std::string varint_field(int number, uint8_t value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

// The same batch in layouts that a client may choose.
std::vector<std::pair<std::string, std::string>> layouts_of(const v1::Batch& batch) {
  const std::string features = field(15, batch.features()), labels = field(14, batch.labels());
  const std::string sequence = varint_field(1, static_cast<uint8_t>(batch.sequence()));
  const std::string rows = varint_field(2, static_cast<uint8_t>(batch.rows()));
  const std::string unknown = field(9, "what is this");
  const std::string inner = batch.SerializeAsString();
  v1::StreamRequest close = close_request(1);
  return {{"Usual", field(2, inner)},
          {"BulkFirst", field(2, features + labels + rows + sequence)},
          {"UnknownFieldInside", field(2, unknown + sequence + rows + labels + unknown + features)},
          {"UnknownFieldOutside", field(9, "what is this") + field(2, inner)},
          {"RepeatedFields", field(2, field(15, "no") + varint_field(2, 3) + inner)},
          {"TwoParts", field(2, sequence + rows + labels) + field(2, features)},
          {"AfterAnotherMember", close.SerializeAsString() + field(2, inner)},
          {"LongTags", field(2, std::string("\x88\x00", 2) +
                                    std::string(1, static_cast<char>(batch.sequence())) + rows +
                                    labels + features)},
          {"Group", field(2, "\x4b\x4c" + inner)}};
}

TEST(Receive, EveryLayoutOfABatchIsThatBatch) {
  LiveServer live;
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  v1::Batch batch = batch_of(samples, 0, 0, 90);
  size_t number = 0;
  const v1::Report expected = live.undisturbed(samples, open_for(samples, "expected"), 90);
  for (const auto& [name, message] : layouts_of(batch)) {
    v1::StreamRequest request;
    ASSERT_TRUE(request.ParseFromString(message)) << name;
    ASSERT_EQ(request.batch().features(), batch.features()) << name;
    RawStream call(live.server().grpc_address());
    call.send(open_request(samples, "layout" + std::to_string(number++)));
    ASSERT_TRUE(call.read()) << name;
    call.send(message);
    const auto answer = call.read();
    ASSERT_TRUE(answer && answer->has_ack()) << name << call.finish().error_message();
    for (const auto& chunk : chunks_of(*samples.classifier, 1000)) {
      *request.mutable_classifier() = chunk;
      call.send(request);
    }
    call.send(close_request(1));
    const auto closed = call.read();
    ASSERT_TRUE(closed && closed->closed().has_report()) << name;
    EXPECT_EQ(comparable(closed->closed().report()), comparable(expected)) << name;
    EXPECT_TRUE(call.finish().ok()) << name;
  }
}

TEST(Receive, BytesThatAreNoMessageAreRefused) {
  LiveServer live;
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  const std::string good = batch_request(batch_of(samples, 0, 0, 90)).SerializeAsString();
  for (const std::string& bad :
       {std::string("\xff\xff\xff\xff"), good.substr(0, good.size() - 1), good + "\x12",
        std::string("\x12\x05\x7a\x7f", 4), std::string("\x12\x01\x03", 3)}) {
    RawStream call(live.server().grpc_address());
    call.send(open_request(samples));
    ASSERT_TRUE(call.read());
    call.send(bad);
    EXPECT_FALSE(call.read());
    expect_status(call.finish(), grpc::INVALID_ARGUMENT,
                  {"expected a StreamRequest", std::to_string(bad.size()) + " bytes"});
  }
  RawStream first(live.server().grpc_address());
  first.send("\xff\xff");
  EXPECT_FALSE(first.read());
  expect_status(first.finish(), grpc::INVALID_ARGUMENT, {"expected a StreamRequest"});
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples), samples, 30));
}

TEST(Receive, CompressedMessagesAreRefused) {
  LiveServer live;
  const Samples samples = make_samples(90, 7, 3, DType::kFloat32, 1);
  RawStream call(live.server().grpc_address(), [](grpc::ClientContext& context) {
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  });
  call.send(open_request(samples));
  EXPECT_FALSE(call.read());
  expect_status(call.finish(), grpc::UNIMPLEMENTED, {"gzip"});
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples), samples, 30));
}

TEST(Receive, BatchesWithoutWaitingForAnswersAreAppliedInOrder) {
  std::mutex mutex;
  std::vector<uint64_t> applied;
  ScriptedServer server([&](const v1::Open&) {
    SessionScript script;
    script.add_batch = [&](const IncomingBatch& batch) {
      server::content_checksum(batch);
      EXPECT_EQ(batch.admitted()->view().rows, 1 + batch.sequence * 37 % 50);
      const std::lock_guard lock(mutex);
      applied.push_back(batch.sequence);
      return batch.sequence;
    };
    return script;
  });
  constexpr uint64_t kBatches = 500;
  const Samples samples = make_samples(50, 300, 3, DType::kFloat32, 1);
  RawStream call(server.address());
  call.send(open_request(samples));
  ASSERT_TRUE(call.read());
  for (uint64_t i = 0; i < kBatches; ++i) {
    v1::Batch batch = batch_of(samples, i, 0, 1 + i * 37 % 50);
    batch.set_crc32c(checksum_of(batch));
    ASSERT_TRUE(call.send(batch_request(batch)));
  }
  call.send(close_request(kBatches));
  uint64_t received = 0;
  std::optional<v1::StreamResponse> answer;
  for (answer = call.read(); answer && answer->has_ack(); answer = call.read()) {
    EXPECT_GE(answer->ack().received_sequence(), received);
    received = answer->ack().received_sequence();
  }
  EXPECT_EQ(received, kBatches - 1);
  ASSERT_TRUE(answer && answer->has_closed());
  EXPECT_TRUE(call.finish().ok());
  const std::lock_guard lock(mutex);
  ASSERT_EQ(applied.size(), kBatches);
  for (uint64_t i = 0; i < kBatches; ++i) EXPECT_EQ(applied[i], i);
}

}  // namespace
}  // namespace ncscope::testing
