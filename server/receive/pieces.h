// The bytes of a message in the pieces that they came in; nothing here owns any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ncscope::server {

using Piece = std::span<const std::byte>;

// A run of bytes that may go over several pieces. Copies read independently.
class PieceRun {
 public:
  PieceRun() = default;
  explicit PieceRun(std::span<const Piece> pieces) : pieces_(pieces) {
    for (const Piece& piece : pieces) size_ += piece.size();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Takes bytes off the front: as many as lie together, at most `most`; none only at the end.
  Piece take(size_t most) {
    if (most == 0 || size_ == 0) return {};
    while (offset_ == pieces_.front().size()) {
      pieces_ = pieces_.subspan(1);
      offset_ = 0;
    }
    const size_t bytes = std::min({most, size_, pieces_.front().size() - offset_});
    const Piece taken = pieces_.front().subspan(offset_, bytes);
    offset_ += bytes;
    size_ -= bytes;
    return taken;
  }

  std::optional<uint8_t> take_byte() {
    if (size_ == 0) return std::nullopt;
    return std::to_integer<uint8_t>(take(1)[0]);
  }

  // Takes the first `bytes` of those that are there.
  PieceRun split(size_t bytes) {
    PieceRun first = *this;
    first.size_ = bytes;
    while (bytes > 0) bytes -= take(bytes).size();
    return first;
  }

  // Hands all bytes on, in blocks of at most `block`.
  template <class Visit>
  void for_each(size_t block, const Visit& visit) const {
    PieceRun rest = *this;
    while (!rest.empty()) visit(rest.take(block));
  }

 private:
  std::span<const Piece> pieces_;
  size_t offset_ = 0;  // in the first of them
  size_t size_ = 0;
};

}  // namespace ncscope::server
