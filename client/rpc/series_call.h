// One Stream call of a series. Requests come as bytes, since protobuf would copy what they hold.
// The caller's thread begins a write and goes on while gRPC sends it; a thread of the call takes
// what gRPC has finished.
#pragma once

#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "client/rpc/connection.h"

namespace ncscope::client {

// A message in the bytes of the wire.
grpc::ByteBuffer serialized(const v1::StreamRequest& request);

class SeriesCall {
 public:
  // Starts the call and sends Open. `reports_durable` where an earlier call has had such an Ack.
  SeriesCall(Connection& connection, const v1::Open& open, bool reports_durable);
  SeriesCall(const SeriesCall&) = delete;
  SeriesCall& operator=(const SeriesCall&) = delete;
  // Cancels what is still going on.
  ~SeriesCall();

  // The answer to Open, or nothing if the call has ended, or did not answer in time.
  std::optional<v1::Opened> wait_opened(std::chrono::milliseconds timeout);

  // Sends a StreamRequest in the bytes of the wire, once the one before has gone out. False if the
  // call has ended; true says nothing about whether it arrives.
  bool write(const grpc::ByteBuffer& request);

  // Waits until batches below `sequence` are safe; false if the call has ended before.
  bool wait_safe(uint64_t sequence);

  // The answer to Close, or nothing if the call has ended without.
  std::optional<v1::Closed> wait_closed();

  // Batches acknowledged, counted from 0.
  uint64_t received() const;
  uint64_t durable() const;
  // Those that nobody will ask for again: durable, where the server says what is, else received.
  uint64_t safe() const;
  bool reports_durable() const;

  // Batches acknowledged to this call, of which `first` is the first that it sent; 0 before there
  // is one. Of a batch that the server had already, an Ack says how far the server is, not the
  // batch: there is one for each.
  uint64_t acknowledged_from(uint64_t first) const;

  // What the answer to Open wanted.
  uint64_t came() const;

  // From that answer to the end of the call. After finish().
  std::chrono::steady_clock::duration lasted() const { return ended_at_ - opened_at_; }

  // Ends the call, if it has not, and returns its status: UNAVAILABLE where a server that shuts
  // down cancelled it, DEADLINE_EXCEEDED where wait_opened() ran out of time.
  grpc::Status finish();

 private:
  using Stream = grpc::ClientAsyncReaderWriter<grpc::ByteBuffer, v1::StreamResponse>;

  // Of the thread: takes finished operations until the call has ended.
  void run();
  void after_read(bool ok);
  void apply(v1::StreamResponse& response);
  void end_write();
  bool is_writing() const;
  // Waits until a write may begin; false if the call has ended.
  bool begin_write();
  uint64_t safe_count() const { return reports_durable_ ? durable_ : received_; }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<Stream> stream_;
  v1::StreamResponse response_;  // of the thread
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<v1::Opened> opened_;
  std::optional<v1::Closed> closed_;
  uint64_t received_ = 0;
  uint64_t durable_ = 0;
  bool reports_durable_;
  uint64_t acks_ = 0;          // of this call
  uint64_t acknowledged_ = 0;  // batches that the server has received, as those say
  std::chrono::steady_clock::time_point opened_at_;
  std::chrono::steady_clock::time_point ended_at_;
  bool writing_ = true;  // at first it is the start of the call
  bool ended_ = false;
  bool timed_out_ = false;
  grpc::Status end_;                    // once the thread has ended
  std::optional<grpc::Status> status_;  // of finish()
  std::thread thread_;                  // last: it uses all of the above
};

}  // namespace ncscope::client
