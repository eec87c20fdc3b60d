// What a peer asks of gRPC on one connection, seen from its HTTP/2 frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_set>

namespace ncscope::server {

struct FrameHeader {
  uint32_t length = 0;
  uint8_t kind = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
};

// Finds frames in bytes as they come, without a look into them.
class FrameReader {
 public:
  // `skip`: bytes before the first frame.
  explicit FrameReader(uint32_t skip) : skip_(skip) {}

  // True once the header of the next frame is complete; takes what it looked at off `bytes`.
  bool next(std::span<const std::byte>& bytes, FrameHeader& frame);

 private:
  uint32_t skip_;
  std::array<uint8_t, 9> header_ = {};
  size_t have_ = 0;
};

// Calls that began and ended.
struct CallChanges {
  size_t begun = 0;
  size_t answered = 0;
  size_t reset = 0;  // by the peer; gRPC may not have seen to them yet
};

// What does not begin as HTTP/2 in the clear is not followed: gRPC refuses it, or it is encrypted.
class FrameWatch {
 public:
  // Of a header block, and of a frame that is not DATA. gRPC takes 8 KiB of metadata; 1.51
  // gathers blocks without end, in time that grows with their square (CVE-2023-33953).
  static constexpr uint32_t kMostBytes = 16 * 1024;

  // False once something is larger: the connection is to end.
  bool received(std::span<const std::byte> bytes, CallChanges& changes);
  void sent(std::span<const std::byte> bytes, CallChanges& changes);

 private:
  // Takes what there is of the preface off `bytes`.
  void take_preface(std::span<const std::byte>& bytes);
  bool admits(const FrameHeader& frame);

  size_t preface_ = 0;  // bytes of it that have come
  bool followed_ = true;
  FrameReader in_{0};
  FrameReader out_{0};
  uint32_t block_ = 0;
  bool refused_ = false;
  uint32_t last_stream_ = 0;
  std::unordered_set<uint32_t> open_;
};

}  // namespace ncscope::server
