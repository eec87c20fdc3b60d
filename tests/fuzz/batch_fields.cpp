// libFuzzer target: the message of a stream. What is found in place must be what Protocol Buffers'
// parser says, wherever the bytes are cut.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/receive/admit_batch.h"
#include "tests/server/receive/batch_messages.h"

namespace {

using ncscope::server::Piece;

// Pieces whose sizes the first byte decides.
std::vector<Piece> cut(Piece bytes, size_t step) {
  std::vector<Piece> pieces;
  while (!bytes.empty()) {
    const size_t taken = std::min(bytes.size(), step);
    pieces.push_back(bytes.first(taken));
    bytes = bytes.subspan(taken);
    step = step * 2 % 37;  // 0 now and then: an empty piece
    if (step == 0) step = 1;
    pieces.emplace_back();
  }
  return pieces;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  static_cast<void>(quiet);
  if (size == 0) return 0;
  const std::string message(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto pieces = cut(std::as_bytes(std::span(message.data(), message.size())), 1 + data[0]);
  const std::string why = ncscope::testing::batch_disagreement(pieces, message);
  if (!why.empty()) {
    std::fprintf(stderr, "disagreement: %s\n", why.c_str());
    std::abort();
  }
  if (const auto fields = ncscope::server::find_batch(pieces)) {
    const ncscope::BatchSpec spec{.num_classes = 3, .dim = 1 + data[0] % 3u};
    ncscope::server::admit_batch(*fields, spec, ncscope::new_batch_memory);
  }
  return 0;
}
