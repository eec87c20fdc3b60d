// A batch in the bytes that protobuf would write for it, without a copy of its arrays.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>

#include "client/series.h"

namespace ncscope::client {

// CRC-32C as Batch.crc32c defines it.
uint32_t checksum_of(const BatchBytes& batch);

// Of StreamRequest{batch}.
size_t batch_message_bytes(const BatchBytes& batch, uint64_t sequence);

// StreamRequest{batch} as slices, those of arrays over the caller's memory. That stays as it is
// while `owner` is held: each slice holds it until gRPC has let go of it, which may be after the
// Write, and after the end of the call, on a thread of gRPC's.
grpc::ByteBuffer batch_message(const BatchBytes& batch, uint64_t sequence, uint32_t crc32c,
                               const std::shared_ptr<const void>& owner);

}  // namespace ncscope::client
