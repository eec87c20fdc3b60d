#include "server/grpc/messages.h"

#include <array>
#include <string>

#include "kernels/errors.h"
#include "proto/convert/types.h"
#include "server/receive/admit_batch.h"

namespace ncscope::server {
namespace {

std::span<const std::byte> bytes_of(const std::string& field) {
  return std::as_bytes(std::span(field.data(), field.size()));
}

ClassifierArray array_of(v1::ClassifierChunk::Array array) {
  switch (array) {
    case v1::ClassifierChunk::ARRAY_WEIGHT:
      return ClassifierArray::kWeight;
    case v1::ClassifierChunk::ARRAY_BIAS:
      return ClassifierArray::kBias;
    default:
      throw InvalidArgument("ClassifierChunk: expected array WEIGHT or BIAS, got " +
                            std::to_string(static_cast<int>(array)));
  }
}

}  // namespace

IncomingBatch incoming_batch(const v1::Batch& batch, const BatchSpec& spec) {
  std::array<Piece, 4> pieces;
  return admit_batch(fields_of(batch, pieces), spec, new_batch_memory);
}

ClassifierPart incoming_part(const v1::ClassifierChunk& chunk) {
  return {array_of(chunk.array()), chunk.offset(), from_proto(chunk.data_type()),
          bytes_of(chunk.data())};
}

void write_closed(const CloseResult& result, v1::Closed& closed) {
  closed.set_closed_ranks(result.closed_ranks);
  closed.set_world_size(result.world_size);
  if (result.report) *closed.mutable_report() = *result.report;
}

}  // namespace ncscope::server
