#include "server/grpc/frame_watch.h"

#include <algorithm>
#include <string_view>

namespace ncscope::server {
namespace {

enum Kind : uint8_t { kData = 0, kHeaders = 1, kReset = 3, kContinuation = 9 };

constexpr uint8_t kEndStream = 1;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// gRPC looks at the size of metadata a frame at a time, so many small ones count as larger ones.
constexpr uint32_t kLeastContinuation = FrameWatch::kMostBytes / 4;

}  // namespace

bool FrameReader::next(std::span<const std::byte>& bytes, FrameHeader& frame) {
  const size_t skipped = std::min<size_t>(skip_, bytes.size());
  skip_ -= static_cast<uint32_t>(skipped);
  bytes = bytes.subspan(skipped);
  while (!bytes.empty() && have_ < header_.size()) {
    header_[have_++] = std::to_integer<uint8_t>(bytes.front());
    bytes = bytes.subspan(1);
  }
  if (have_ < header_.size()) return false;
  have_ = 0;
  const auto& h = header_;
  frame.length = uint32_t{h[0]} << 16 | uint32_t{h[1]} << 8 | h[2];
  frame.kind = h[3];
  frame.flags = h[4];
  frame.stream = uint32_t{h[5]} << 24 | uint32_t{h[6]} << 16 | uint32_t{h[7]} << 8 | h[8];
  frame.stream &= ~0u >> 1;  // the first bit is reserved
  skip_ = frame.length;
  return true;
}

void FrameWatch::take_preface(std::span<const std::byte>& bytes) {
  while (followed_ && preface_ < kPreface.size() && !bytes.empty()) {
    followed_ = bytes.front() == std::byte(kPreface[preface_++]);
    bytes = bytes.subspan(1);
  }
}

bool FrameWatch::received(std::span<const std::byte> bytes, CallChanges& changes) {
  take_preface(bytes);
  FrameHeader frame;
  while (followed_ && !refused_ && in_.next(bytes, frame)) {
    refused_ = !admits(frame);
    if (frame.kind == kHeaders && frame.stream > last_stream_) {
      last_stream_ = frame.stream;
      open_.insert(frame.stream);
      ++changes.begun;
    }
    if (frame.kind == kReset) changes.reset += open_.erase(frame.stream);
  }
  return !refused_;
}

void FrameWatch::sent(std::span<const std::byte> bytes, CallChanges& changes) {
  FrameHeader frame;
  while (followed_ && out_.next(bytes, frame)) {
    const bool ends = (frame.kind == kData || frame.kind == kHeaders) && frame.flags & kEndStream;
    if (ends || frame.kind == kReset) changes.answered += open_.erase(frame.stream);
  }
}

bool FrameWatch::admits(const FrameHeader& frame) {
  if (frame.kind == kData) return true;
  if (frame.length > kMostBytes) return false;
  if (frame.kind == kHeaders) block_ = frame.length;
  if (frame.kind == kContinuation) block_ += std::max(frame.length, kLeastContinuation);
  return block_ <= kMostBytes;
}

}  // namespace ncscope::server
