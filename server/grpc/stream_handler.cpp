#include "server/grpc/stream_handler.h"

#include <algorithm>
#include <string>

#include "server/core/errors.h"
#include "server/grpc/messages.h"
#include "server/grpc/stream_message.h"

namespace ncscope::server {

bool StreamHandler::handle(StreamMessage& message) {
  if (!session_) {
    open(message);
    return false;
  }
  if (!message.is_batch()) return handle_parsed(message.parse());
  message.admit(session_->batch_spec(), [this](size_t bytes) { return pool_.take(bytes); });
  add_batch(message.admitted());
  return false;
}

void StreamHandler::open(StreamMessage& message) {
  const v1::StreamRequest request = message.parse();
  if (!request.has_open()) {
    throw FailedPrecondition("Stream: expected Open as the first message of a call");
  }
  session_ = sessions_.open(request.open());
  const uint64_t next = session_->next_sequence();
  if (next > 0) received_ = next - 1;
  v1::StreamResponse response;
  v1::Opened& opened = *response.mutable_opened();
  opened.set_next_sequence(next);
  opened.set_max_message_bytes(max_message_bytes_);
  opened.set_server_version(NCSCOPE_VERSION);
  opened.set_tells_durable(session_->tells_durable());
  const std::optional<uint64_t> durable_before = session_->durable_sequence();
  if (durable_before) {
    opened.set_durable_sequence(*durable_before);
    told_durable_ = *durable_before + 1;
  }
  answer_(std::move(response));
  session_->on_durable([this, session = session_.get()] {
    if (session->is_over()) return stop_();
    const auto durable = session->durable_sequence();
    // What is durable has been received, be it that add_batch() has not said so yet.
    if (durable && *durable + 1 > told_durable_)
      acknowledge(std::max(received_.load(), *durable), durable);
  });
  // What happened between the two is told by nobody else.
  if (session_->is_over()) return stop_();
  const auto durable = session_->durable_sequence();
  if (durable != durable_before) acknowledge(std::max(received_.load(), *durable), durable);
}

bool StreamHandler::handle_parsed(const v1::StreamRequest& request) {
  switch (request.message_case()) {
    case v1::StreamRequest::kBatch:
      add_batch(incoming_batch(request.batch(), session_->batch_spec()));
      return false;
    case v1::StreamRequest::kClassifier:
      session_->add_classifier(incoming_part(request.classifier()));
      return false;
    case v1::StreamRequest::kClose: {
      v1::StreamResponse response;
      write_closed(session_->close(request.close().batches(), request.close().partial()),
                   *response.mutable_closed());
      answer_(std::move(response));
      return true;
    }
    case v1::StreamRequest::kOpen:
      throw FailedPrecondition(
          "Stream: expected Batch, ClassifierChunk or Close, got a second"
          " Open");
    case v1::StreamRequest::MESSAGE_NOT_SET:
      break;
  }
  throw InvalidArgument("Stream: expected Batch, ClassifierChunk or Close, got an empty message");
}

void StreamHandler::add_batch(const IncomingBatch& batch) {
  received_ = session_->add_batch(batch);
  acknowledge(received_, session_->durable_sequence());
}

void StreamHandler::acknowledge(uint64_t received, std::optional<uint64_t> durable) {
  v1::StreamResponse response;
  response.mutable_ack()->set_received_sequence(received);
  if (durable) {
    response.mutable_ack()->set_durable_sequence(*durable);
    told_durable_ = *durable + 1;
  }
  answer_(std::move(response));
}

void StreamHandler::end(bool cancelled) {
  if (cancelled) throw Cancelled("Stream: the caller is gone");
  if (!session_) throw FailedPrecondition("Stream: expected Open, got the end of the call");
  session_->require_going();
  throw FailedPrecondition(
      "Stream: expected Close, got the end of the call; what came is kept, a"
      " new call goes on at batch " +
      std::to_string(session_->next_sequence()));
}

}  // namespace ncscope::server
