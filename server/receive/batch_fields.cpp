#include "server/receive/batch_fields.h"

#include <limits>

namespace ncscope::server {
namespace {

constexpr uint8_t kVarint = 0, kLength = 2, kFixed32 = 5;

// A tag of one byte.
constexpr uint8_t tag(int field, uint8_t wire_type) {
  return static_cast<uint8_t>(field << 3 | wire_type);
}

constexpr uint8_t kBatch = tag(v1::StreamRequest::kBatchFieldNumber, kLength);
constexpr uint8_t kSequence = tag(v1::Batch::kSequenceFieldNumber, kVarint);
constexpr uint8_t kRows = tag(v1::Batch::kRowsFieldNumber, kVarint);
constexpr uint8_t kCrc32c = tag(v1::Batch::kCrc32CFieldNumber, kFixed32);
constexpr uint8_t kSampleIds = tag(v1::Batch::kSampleIdsFieldNumber, kLength);
constexpr uint8_t kPredictions = tag(v1::Batch::kPredictionsFieldNumber, kLength);
constexpr uint8_t kLabels = tag(v1::Batch::kLabelsFieldNumber, kLength);
constexpr uint8_t kFeatures = tag(v1::Batch::kFeaturesFieldNumber, kLength);

bool read_varint(PieceRun& in, uint64_t& value, int bits_at_most = 64) {
  value = 0;
  for (int shift = 0; shift < bits_at_most; shift += 7) {
    const auto byte = in.take_byte();
    if (!byte) return false;
    const uint64_t bits = *byte & 0x7f;
    if (shift == 63 && bits > 1) return false;  // beyond 64 bits
    value |= bits << shift;
    if ((*byte & 0x80) == 0) return true;
  }
  return false;
}

bool read_run(PieceRun& in, PieceRun& run) {
  uint64_t bytes = 0;
  // A length in more than five bytes is none to Protocol Buffers, whatever it comes to.
  if (!read_varint(in, bytes, 32) || bytes > in.size()) return false;
  run = in.split(static_cast<size_t>(bytes));
  return true;
}

bool read_fixed32(PieceRun& in, std::optional<uint32_t>& value) {
  uint32_t bits = 0;
  for (int shift = 0; shift < 32; shift += 8) {
    const auto byte = in.take_byte();
    if (!byte) return false;
    bits |= uint32_t{*byte} << shift;
  }
  value = bits;
  return true;
}

bool read_rows(PieceRun& in, uint32_t& rows) {
  uint64_t value = 0;
  if (!read_varint(in, value) || value > std::numeric_limits<uint32_t>::max()) return false;
  rows = static_cast<uint32_t>(value);
  return true;
}

bool read_field(uint8_t tag, PieceRun& in, BatchFields& fields) {
  switch (tag) {
    case kSequence:
      return read_varint(in, fields.sequence);
    case kRows:
      return read_rows(in, fields.rows);
    case kCrc32c:
      return read_fixed32(in, fields.crc32c);
    case kSampleIds:
      return read_run(in, fields.sample_ids);
    case kPredictions:
      return read_run(in, fields.predictions);
    case kLabels:
      return read_run(in, fields.labels);
    case kFeatures:
      return read_run(in, fields.features);
    default:
      return false;
  }
}

}  // namespace

std::optional<BatchFields> find_batch(std::span<const Piece> message) {
  PieceRun outer(message);
  // Protocol Buffers refuses what is larger.
  if (outer.size() > size_t{std::numeric_limits<int32_t>::max()}) return std::nullopt;
  if (outer.take_byte() != kBatch) return std::nullopt;
  PieceRun in;
  if (!read_run(outer, in) || !outer.empty()) return std::nullopt;
  BatchFields fields;
  while (const auto tag = in.take_byte()) {
    if (!read_field(*tag, in, fields)) return std::nullopt;
  }
  return fields;
}

BatchFields fields_of(const v1::Batch& batch, std::array<Piece, 4>& pieces) {
  const auto run = [&](size_t i, const std::string& field) {
    pieces[i] = std::as_bytes(std::span(field.data(), field.size()));
    return PieceRun(std::span<const Piece>(&pieces[i], 1));
  };
  BatchFields fields{.sequence = batch.sequence(),
                     .rows = batch.rows(),
                     .crc32c = std::nullopt,
                     .sample_ids = run(0, batch.sample_ids()),
                     .predictions = run(1, batch.predictions()),
                     .labels = run(2, batch.labels()),
                     .features = run(3, batch.features())};
  if (batch.has_crc32c()) fields.crc32c = batch.crc32c();
  return fields;
}

}  // namespace ncscope::server
