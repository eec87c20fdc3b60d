// Finds a batch in the bytes of a message without copying its bulk.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "ncscope/v1/service.pb.h"
#include "server/receive/pieces.h"

namespace ncscope::server {

// A v1::Batch whose bulk is still where it came.
struct BatchFields {
  uint64_t sequence = 0;
  uint32_t rows = 0;
  std::optional<uint32_t> crc32c;
  PieceRun sample_ids;
  PieceRun predictions;
  PieceRun labels;
  PieceRun features;
};

// The batch of a v1::StreamRequest, where the message is that field alone, and all fields in it are
// known ones of the right type, in any order and any number (the last one counts). Nothing for
// every other message, be it right or wrong: Protocol Buffers' own parser decides about that.
std::optional<BatchFields> find_batch(std::span<const Piece> message);

// The fields of a batch that has been parsed; `pieces` and `batch` must outlive them.
BatchFields fields_of(const v1::Batch& batch, std::array<Piece, 4>& pieces);

}  // namespace ncscope::server
