// What the messages of a Stream call mean, whoever brings them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "ncscope/v1/service.pb.h"
#include "server/core/session.h"
#include "server/receive/batch_pool.h"

namespace ncscope::server {

class StreamMessage;

// Takes the messages of one call in their order, one at a time. Throws what ends the call.
class StreamHandler {
 public:
  using Answer = std::function<void(v1::StreamResponse&&)>;

  // `answer` is called within handle(), and on any thread when batches have become durable; `stop`
  // on any thread when the session is over: a caller that waits for an answer would wait for ever.
  StreamHandler(SessionSource& sessions, BatchPool& pool, size_t max_message_bytes, Answer answer,
                std::function<void()> stop)
      : sessions_(sessions),
        pool_(pool),
        max_message_bytes_(max_message_bytes),
        answer_(std::move(answer)),
        stop_(std::move(stop)) {}

  // Null until the call is open.
  const BatchSpec* batch_spec() const { return session_ ? &session_->batch_spec() : nullptr; }

  // True after Close.
  bool handle(StreamMessage& message);

  // The caller has sent everything without Close, or the session is over: throws why.
  [[noreturn]] void end(bool cancelled);

  // Ends the session; no answer comes afterwards.
  void close() { session_.reset(); }

 private:
  void open(StreamMessage& message);
  bool handle_parsed(const v1::StreamRequest& request);
  void add_batch(const IncomingBatch& batch);
  void acknowledge(uint64_t received, std::optional<uint64_t> durable);

  SessionSource& sessions_;
  BatchPool& pool_;
  const size_t max_message_bytes_;
  const Answer answer_;
  const std::function<void()> stop_;
  std::atomic<uint64_t> received_{0};      // highest sequence number, as far as there is one
  std::atomic<uint64_t> told_durable_{0};  // so many batches the caller knows to be durable
  std::unique_ptr<Session> session_;
};

}  // namespace ncscope::server
