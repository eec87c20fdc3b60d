#include "client/rpc/series_call.h"

#include <grpcpp/impl/rpc_method.h>

#include <algorithm>

namespace ncscope::client {
namespace {

using RawStream = grpc::ClientReaderWriter<grpc::ByteBuffer, v1::StreamResponse>;

// As the generated stub does, for requests that are bytes already.
std::unique_ptr<RawStream> start_stream(Connection& connection, grpc::ClientContext& context) {
  const std::string name =
      "/" + std::string(v1::NeuralCollapseService::service_full_name()) + "/Stream";
  const grpc::internal::RpcMethod method(name.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING);
  return std::unique_ptr<RawStream>(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, v1::StreamResponse>::Create(
          connection.channel().get(), method, &context));
}

}  // namespace

grpc::ByteBuffer serialized(const v1::StreamRequest& request) {
  grpc::ByteBuffer bytes;
  bool owned = false;
  const grpc::Status status =
      grpc::SerializationTraits<v1::StreamRequest>::Serialize(request, &bytes, &owned);
  if (!status.ok()) throw InvalidArgument("a request: " + status.error_message());
  return bytes;
}

SeriesCall::SeriesCall(Connection& connection, const v1::Open& open, bool reports_durable)
    : stream_(start_stream(connection, context_)), reports_durable_(reports_durable) {
  v1::StreamRequest request;
  *request.mutable_open() = open;
  // A failure shows as the end of the call.
  stream_->Write(serialized(request));
  reader_ = std::thread([this] { read_responses(); });
}

SeriesCall::~SeriesCall() {
  if (!status_) {
    context_.TryCancel();
    finish();
  }
}

void SeriesCall::read_responses() {
  v1::StreamResponse response;
  while (stream_->Read(&response)) {
    const std::lock_guard lock(mutex_);
    apply(response);
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  ended_at_ = std::chrono::steady_clock::now();
  if (!opened_) opened_at_ = ended_at_;
  changed_.notify_all();
}

void SeriesCall::apply(v1::StreamResponse& response) {
  if (response.has_opened()) {
    opened_ = response.opened();
    opened_at_ = std::chrono::steady_clock::now();
    received_ = opened_->next_sequence();
  } else if (response.has_ack()) {
    ++acks_;
    acknowledged_ = std::max(acknowledged_, response.ack().received_sequence() + 1);
    received_ = std::max(received_, acknowledged_);
    if (response.ack().has_durable_sequence()) {
      reports_durable_ = true;
      durable_ = std::max(durable_, response.ack().durable_sequence() + 1);
    }
  } else if (response.has_closed()) {
    closed_ = std::move(*response.mutable_closed());
  }
}

std::optional<v1::Opened> SeriesCall::wait_opened(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  timed_out_ = !changed_.wait_for(lock, timeout, [this] { return opened_ || ended_; });
  if (timed_out_) context_.TryCancel();
  return opened_;
}

bool SeriesCall::write(const grpc::ByteBuffer& request) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return false;
  }
  return stream_->Write(request);
}

bool SeriesCall::wait_safe(uint64_t sequence) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return safe_count() >= sequence || ended_; });
  return safe_count() >= sequence;
}

std::optional<v1::Closed> SeriesCall::wait_closed() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || ended_; });
  return closed_;
}

uint64_t SeriesCall::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

uint64_t SeriesCall::durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

uint64_t SeriesCall::safe() const {
  const std::lock_guard lock(mutex_);
  return safe_count();
}

bool SeriesCall::reports_durable() const {
  const std::lock_guard lock(mutex_);
  return reports_durable_;
}

uint64_t SeriesCall::acknowledged_from(uint64_t first) const {
  const std::lock_guard lock(mutex_);
  return std::min(acknowledged_, first + acks_);
}

uint64_t SeriesCall::came() const {
  const std::lock_guard lock(mutex_);
  return opened_ ? opened_->next_sequence() : 0;
}

grpc::Status SeriesCall::finish() {
  if (status_) return *status_;
  stream_->WritesDone();
  reader_.join();
  status_ = stream_->Finish();
  if (status_->error_code() == grpc::StatusCode::CANCELLED) {
    status_ = timed_out_
                  ? grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "no answer to Open in time")
                  : grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server ended the call");
  }
  return *status_;
}

}  // namespace ncscope::client
