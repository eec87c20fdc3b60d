// One message of a Stream call, as gRPC received it.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <vector>

#include "ncscope/v1/service.pb.h"
#include "server/receive/admit_batch.h"
#include "server/receive/batch_fields.h"
#include "server/receive/receive_memory.h"

namespace ncscope::server {

class StreamMessage {
 public:
  // What a Read fills.
  grpc::ByteBuffer& buffer() { return buffer_; }

  // After the Read: looks where the bytes are, and whether they are a batch.
  void look();
  size_t bytes() const { return bytes_; }
  // Whether it is a batch that can be admitted where it lies.
  bool is_batch() const { return fields_.has_value(); }
  // Memory that handling the message takes, `spec` being that of the session, if there is one.
  size_t memory_needed(const BatchSpec* spec) const;

  // Admits the batch, where it has not been, and lets go of the bytes.
  void admit(const BatchSpec& spec, const MakeBatchMemory& make_memory);
  // What admit() made of it.
  const IncomingBatch& admitted() const { return *admitted_; }

  // Any message, by Protocol Buffers' own parser. Throws InvalidArgument.
  v1::StreamRequest parse();

  // What memory_needed() says, once it is granted.
  ReceiveMemory::Lease lease;

 private:
  grpc::ByteBuffer buffer_;
  size_t bytes_ = 0;
  std::vector<Piece> pieces_;          // of the buffer
  std::optional<BatchFields> fields_;  // in the pieces
  std::optional<IncomingBatch> admitted_;
};

// An answer in bytes.
grpc::ByteBuffer serialize(const v1::StreamResponse& response);

}  // namespace ncscope::server
