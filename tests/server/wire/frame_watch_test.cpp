// What gRPC would gather without end is refused before it sees it.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "server/address.h"
#include "server/grpc/listener.h"
#include "server/grpc/watched_sockets.h"
#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

using server::CallBound;
using server::CallChanges;
using server::Descriptor;
using server::FrameWatch;

constexpr uint8_t kData = 0;
constexpr uint8_t kHeaders = 1;
constexpr uint8_t kReset = 3;
constexpr uint8_t kSettings = 4;
constexpr uint8_t kContinuation = 9;
constexpr size_t kMost = FrameWatch::kMostBytes;

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

constexpr char kEndStream = 1;

std::string frame(uint8_t kind, size_t size, uint8_t stream = 1, char flags = 0) {
  const std::string header = {static_cast<char>(size >> 16),
                              static_cast<char>(size >> 8),
                              static_cast<char>(size),
                              static_cast<char>(kind),
                              flags,
                              '\0',
                              '\0',
                              '\0',
                              static_cast<char>(stream)};
  return header + std::string(size, '\0');
}

bool admits(const std::string& bytes, size_t piece) {
  FrameWatch watch;
  CallChanges changes;
  bool admitted = true;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const auto part = std::span(bytes).subspan(at).first(std::min(piece, bytes.size() - at));
    admitted = watch.received(std::as_bytes(part), changes);
  }
  return admitted;
}

struct Case {
  std::string name;
  std::string frames;
  bool admitted;
};

std::vector<Case> cases() {
  const std::string headers = frame(kHeaders, 100), more = frame(kContinuation, 10);
  return {{"ManyCalls", headers + headers + headers + frame(kHeaders, kMost), true},
          {"LargeData", headers + frame(kData, 1 << 20) + frame(kData, (1 << 24) - 1), true},
          {"AFewContinuations", headers + more + more + more, true},
          {"ContinuationsOfTwoCalls", headers + more + more + headers + more + more, true},
          {"LargeHeaders", frame(kHeaders, kMost + 1), false},
          {"LargeSettings", frame(kSettings, kMost + 1), false},
          {"LargeContinuation", headers + frame(kContinuation, kMost), false},
          {"ManyContinuations", headers + more + more + more + more, false},
          {"EmptyContinuations",
           headers + frame(kContinuation, 0) + frame(kContinuation, 0) + frame(kContinuation, 0) +
               frame(kContinuation, 0),
           false},
          {"RefusedForGood", frame(kHeaders, kMost + 1) + headers, false}};
}

TEST(FrameWatch, RefusesBlocksThatAreTooLarge) {
  for (const Case& c : cases()) {
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, size_t{1} << 30}) {
      EXPECT_EQ(admits(kPreface + c.frames, piece), c.admitted) << c.name << ", " << piece;
    }
  }
}

CallChanges changes_of(FrameWatch& watch, const std::string& received, const std::string& sent) {
  CallChanges changes;
  EXPECT_TRUE(watch.received(std::as_bytes(std::span(received)), changes));
  watch.sent(std::as_bytes(std::span(sent)), changes);
  return changes;
}

TEST(FrameWatch, WhatIsEncryptedIsNotFollowed) {
  std::string hello = frame(0x16, 300);  // looks like no preface
  hello += std::string(3 * kMost, '\xff');
  EXPECT_TRUE(admits(hello, hello.size()));
  EXPECT_TRUE(admits(hello, 7));
  EXPECT_TRUE(admits(kPreface.substr(0, 20) + hello, 7));
}

TEST(FrameWatch, CountsCalls) {
  FrameWatch watch;
  const std::string one = frame(kHeaders, 5, 1), three = frame(kHeaders, 5, 3);
  CallChanges changes = changes_of(watch, kPreface + one + three + one, frame(kSettings, 0, 0));
  EXPECT_EQ(changes.begun, 2u);
  EXPECT_EQ(changes.answered, 0u);
  changes = changes_of(watch, frame(kData, 5, 1, kEndStream), frame(kHeaders, 5, 1));
  EXPECT_EQ(changes.begun + changes.answered + changes.reset, 0u);
  const std::string trailers = frame(kData, 5, 1) + frame(kHeaders, 5, 1, kEndStream);
  changes = changes_of(watch, frame(kReset, 4, 3), trailers + frame(kReset, 4, 1));
  EXPECT_EQ(changes.begun, 0u);
  EXPECT_EQ(changes.answered, 1u);
  EXPECT_EQ(changes.reset, 1u);
  changes = changes_of(watch, frame(kReset, 4, 3), frame(kReset, 4, 3));
  EXPECT_EQ(changes.answered + changes.reset, 0u);
}

TEST(FrameWatch, CallsThatEndEarlyCountForASecond) {
  CallBound bound(10);
  const CallBound::Clock::time_point start{std::chrono::seconds(100)};
  bound.apply({.begun = 10}, start);
  EXPECT_FALSE(bound.too_many());
  bound.apply({.begun = 1}, start);
  EXPECT_TRUE(bound.too_many());
  EXPECT_FALSE(bound.too_fast());
  bound.drop(5, start);
  EXPECT_FALSE(bound.too_many());
  bound.apply({.begun = 10, .answered = 1, .reset = 9}, start);
  EXPECT_FALSE(bound.too_fast());
  bound.apply({.begun = 1}, start);
  EXPECT_TRUE(bound.too_fast());
  bound.apply({.begun = 3}, start + std::chrono::milliseconds(1'100));
  EXPECT_FALSE(bound.too_fast());
}

// Whether the server closes a connection on which it gets these bytes.
bool is_ended(const std::string& address, const std::string& bytes) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience = {20, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(server::parse_address(address).port));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0)
    return false;
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t sent = ::send(socket.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) break;
    at += static_cast<size_t>(sent);
  }
  char buffer[4096];
  while (true) {
    const ssize_t size = ::recv(socket.get(), buffer, sizeof(buffer), 0);
    if (size <= 0) return size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }
}

// Begins a call of a method that waits for its request.
std::string method_headers(uint8_t stream) {
  std::string block;
  const auto add = [&](const std::string& name, const std::string& value) {
    block += '\0' + (static_cast<char>(name.size()) + name);
    block += static_cast<char>(value.size()) + value;
  };
  add(":method", "POST");
  add(":scheme", "http");
  add(":path", "/ncscope.v1.NeuralCollapseService/GetReport");
  add(":authority", "localhost");
  add("te", "trailers");
  add("content-type", "application/grpc");
  std::string headers = frame(kHeaders, block.size(), stream, 4);
  return headers.replace(9, block.size(), block);
}

TEST(FrameWatch, EndsTheConnectionAndNoOther) {
  LiveServer live;
  const Samples samples = make_samples(40, 5, 3, DType::kFloat32, 1);
  StreamCall before(live.stub());
  ASSERT_TRUE(before.open(open_for(samples, "before")));
  // A field whose value is to be 1 GiB, which gRPC waits for.
  std::string begun = frame(kHeaders, 9);
  begun.replace(9, 9,
                std::string("\x00\x01"
                            "a\x7f\x81\xff\xff\xff\x03",
                            9));
  std::string bomb = kPreface + frame(kSettings, 0, 0) + begun;
  for (int i = 0; i < 100; ++i) bomb += frame(kContinuation, 16'000);
  EXPECT_TRUE(is_ended(live.server().grpc_address(), bomb));
  EXPECT_TRUE(before.batch(batch_of(samples, 0, 0, 40)));
  EXPECT_TRUE(before.close(1));
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples, "after"), samples, 20));
}

TEST(FrameWatch, TheConnectionWithMostCallsEndsWhereThereAreTooMany) {
  LiveServer live([](server::ServerOptions& o) { o.max_threads = 16; });  // 48 calls
  const Samples samples = make_samples(40, 5, 3, DType::kFloat32, 1);
  StreamCall before(live.stub());
  ASSERT_TRUE(before.open(open_for(samples, "before")));
  std::string calls = kPreface + frame(kSettings, 0, 0);
  for (int i = 0; i < 60; ++i) calls += method_headers(static_cast<uint8_t>(2 * i + 1));
  EXPECT_TRUE(is_ended(live.server().grpc_address(), calls));
  EXPECT_TRUE(before.batch(batch_of(samples, 0, 0, 40)));
  EXPECT_TRUE(before.close(1));
  EXPECT_TRUE(stream_all(live.stub(), open_for(samples, "after"), samples, 20));
}

}  // namespace
}  // namespace ncscope::testing
