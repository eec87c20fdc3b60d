#include "server/grpc/stream_message.h"

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <string>

#include "kernels/errors.h"

namespace ncscope::server {
namespace {

// Messages of this size pass without a lease: Open, Close and the like.
constexpr size_t kSmallBytes = 4096;

}  // namespace

void StreamMessage::look() {
  bytes_ = buffer_.Length();
  grpc::ProtoBufferReader reader(&buffer_);
  const void* data = nullptr;
  int size = 0;
  while (reader.Next(&data, &size)) {
    pieces_.emplace_back(static_cast<const std::byte*>(data), static_cast<size_t>(size));
  }
  fields_ = find_batch(pieces_);
}

size_t StreamMessage::memory_needed(const BatchSpec* spec) const {
  if (bytes_ <= kSmallBytes) return 0;
  if (!fields_ || spec == nullptr) return 2 * bytes_;  // parsed, and what is made of that
  return std::max(bytes_, admitted_bytes(*fields_, *spec));
}

void StreamMessage::admit(const BatchSpec& spec, const MakeBatchMemory& make_memory) {
  if (admitted_) return;
  admitted_ = admit_batch(*fields_, spec, make_memory);
  pieces_.clear();
  buffer_.Clear();
}

v1::StreamRequest StreamMessage::parse() {
  v1::StreamRequest request;
  grpc::ProtoBufferReader reader(&buffer_);
  if (!request.ParseFromZeroCopyStream(&reader)) {
    throw InvalidArgument("Stream: expected a StreamRequest, got " + std::to_string(bytes_) +
                          " bytes that are none");
  }
  return request;
}

grpc::ByteBuffer serialize(const v1::StreamResponse& response) {
  const size_t bytes = response.ByteSizeLong();
  const grpc::Slice slice(bytes);
  // A new slice is nobody else's yet.
  response.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return {&slice, 1};
}

}  // namespace ncscope::server
