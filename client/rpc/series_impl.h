// A series over one call after another.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "client/rpc/batch_copy.h"
#include "client/rpc/connection.h"
#include "client/rpc/series_call.h"
#include "client/series.h"

namespace ncscope::client {

class Series::Impl {
 public:
  Impl(std::shared_ptr<Connection> connection, v1::Open open);

  uint64_t next_sequence() const { return next_sequence_; }
  uint64_t max_message_bytes() const { return max_message_bytes_; }
  uint64_t received() const { return call_->received(); }
  uint64_t durable() const { return call_->durable(); }

  void rewind() { next_sequence_ = first_ = furthest_ = 0; }
  void send(const BatchBytes& batch);
  void send(const BatchBytes& batch, const std::shared_ptr<const void>& owner);
  void send_classifier(const Classifier& classifier);
  v1::Closed close(bool partial);

 private:
  struct Kept {
    uint64_t sequence;
    size_t bytes;
    grpc::ByteBuffer request;  // holds the owner of its memory, as do copies that gRPC has
  };

  // Starts a call; returns the sequence number that the server wants. Throws ServerError.
  uint64_t start_call();
  // Ends a failed call; reconnects if the connection was lost, else throws what the server said.
  void recover();
  // Of a call that was lost: throws NoProgress where recoveries led nowhere often enough.
  void require_progress(const grpc::Status& status);
  // Starts a call anew; false if no server takes it until `deadline`.
  bool reopen(std::chrono::steady_clock::time_point deadline);
  // Sends again what the server lacks; false if the connection is lost once more.
  bool replay();
  void forget_safe();
  // Waits while the window is full. Throws InvalidArgument for a batch larger than the server
  // takes.
  void wait_for_room(const BatchBytes& batch);
  void write(const BatchBytes& batch, uint32_t crc32c, const std::shared_ptr<const void>& owner);

  std::shared_ptr<Connection> connection_;
  v1::Open open_;
  std::unique_ptr<SeriesCall> call_;
  uint64_t next_sequence_ = 0;
  uint64_t had_ = 0;  // batches of the server before
  uint64_t max_message_bytes_ = 0;
  uint64_t first_ = 0;         // batch that the present call sends
  uint64_t furthest_ = 0;      // most batches of this series that were ever acknowledged
  int futile_recoveries_ = 0;  // since then
  bool closing_ = false;       // every batch was given to send()
  std::deque<Kept> kept_;      // not safe yet, ascending
  size_t kept_bytes_ = 0;
  std::vector<grpc::ByteBuffer> classifier_;
  BatchCopier copier_;
};

}  // namespace ncscope::client
