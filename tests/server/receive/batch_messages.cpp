#include "tests/server/receive/batch_messages.h"

#include <algorithm>

#include "ncscope/v1/service.pb.h"
#include "server/receive/batch_fields.h"

namespace ncscope::testing {
namespace {

using server::Piece;

// `extra` bytes longer than it has to be.
void append_varint(std::string& out, uint64_t value, size_t extra = 0) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(extra > 0 ? value | 0x80 : value));
  for (; extra > 0; --extra) out.push_back(static_cast<char>(extra > 1 ? 0x80 : 0));
}

size_t below(std::mt19937& random, size_t bound) { return random() % bound; }

uint64_t some_number(std::mt19937& random) {
  const uint64_t wide = uint64_t{random()} << 32 | random();
  return wide >> below(random, 64);
}

std::string some_bytes(std::mt19937& random, size_t most) {
  std::string bytes(below(random, most + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void append_run(std::string& out, uint32_t field, const std::string& bytes, size_t extra = 0) {
  append_varint(out, field << 3 | 2);
  append_varint(out, bytes.size(), extra);
  out += bytes;
}

// A field that a v1::Batch has, or has not.
void append_field(std::string& out, std::mt19937& random) {
  const size_t extra = below(random, 8) == 0 ? below(random, 4) : 0;
  switch (below(random, 24)) {
    case 0:
    case 1:
    case 2:
      append_varint(out, 1 << 3);
      append_varint(out, some_number(random), extra);
      return;
    case 3:
    case 4:
    case 5:
      append_varint(out, 2 << 3);
      append_varint(out, below(random, 4) == 0 ? some_number(random) : below(random, 1000), extra);
      return;
    case 6:
    case 7:
      append_varint(out, 3 << 3 | 5);
      out += some_bytes(random, 4) + std::string(4, 'c');  // of which some is another field
      return;
    case 8:
      append_varint(out, some_number(random));  // whatever it is
      return;
    case 9:
      append_varint(out, (4 + below(random, 40)) << 3 | below(random, 6));
      out += some_bytes(random, 6);
      return;
    case 10:
      append_varint(out, 20 << 3 | 3);  // a group
      append_varint(out, 20 << 3 | 4);
      return;
    case 11:
      append_varint(out, (12 + below(random, 4)) << 3);  // a number where bytes belong
      append_varint(out, some_number(random));
      return;
    default:
      append_run(out, static_cast<uint32_t>(12 + below(random, 4)), some_bytes(random, 40), extra);
  }
}

bool same(const server::PieceRun& run, const std::string& bytes) {
  std::string got;
  run.for_each(7, [&](Piece piece) {
    got.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return got == bytes;
}

}  // namespace

std::string random_batch_message(std::mt19937& random) {
  std::string batch;
  for (size_t fields = below(random, 9); fields > 0; --fields) append_field(batch, random);
  if (below(random, 16) == 0) batch = some_bytes(random, 30);
  std::string message;
  append_run(message, below(random, 32) == 0 ? 4 : 2, batch, below(random, 16) == 0 ? 1 : 0);
  if (below(random, 16) == 0) append_field(message, random);
  if (below(random, 16) == 0) append_run(message, 2, batch);
  if (below(random, 16) == 0) message.resize(below(random, message.size() + 1));
  return message;
}

std::vector<Piece> cut(const std::string& message, std::mt19937& random) {
  std::vector<Piece> pieces;
  const Piece whole = std::as_bytes(std::span(message.data(), message.size()));
  const size_t most = 1 + below(random, message.size() + 1);
  for (size_t begin = 0; begin < whole.size();) {
    const size_t bytes = std::min(below(random, most + 1), whole.size() - begin);
    pieces.push_back(whole.subspan(begin, bytes));
    begin += bytes;
  }
  return pieces;
}

std::string batch_disagreement(const std::vector<Piece>& pieces, const std::string& whole) {
  const auto found = server::find_batch(pieces);
  if (!found) return "";
  v1::StreamRequest request;
  if (!request.ParseFromString(whole)) return "found a batch in what is no message";
  if (!request.has_batch()) return "found a batch where there is none";
  const v1::Batch& batch = request.batch();
  if (found->sequence != batch.sequence()) return "sequence";
  if (found->rows != batch.rows()) return "rows";
  if (found->crc32c.has_value() != batch.has_crc32c()) return "whether there is a crc32c";
  if (found->crc32c.value_or(0) != batch.crc32c()) return "crc32c";
  if (!same(found->sample_ids, batch.sample_ids())) return "sample_ids";
  if (!same(found->predictions, batch.predictions())) return "predictions";
  if (!same(found->labels, batch.labels())) return "labels";
  return same(found->features, batch.features()) ? "" : "features";
}

}  // namespace ncscope::testing
