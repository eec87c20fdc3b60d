#include "client/rpc/series_call.h"

#include <algorithm>

namespace ncscope::client {
namespace {

using Stub = grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::StreamResponse>;

// What gRPC has finished, as tags.
enum class Step : uintptr_t { kWrite = 1, kRead, kEnd };

void* tag(Step step) { return reinterpret_cast<void*>(step); }

std::string stream_method() {
  return "/" + std::string(v1::NeuralCollapseService::service_full_name()) + "/Stream";
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
    : stream_(Stub(connection.channel()).PrepareCall(&context_, stream_method(), &queue_)),
      reports_durable_(reports_durable) {
  stream_->StartCall(tag(Step::kWrite));
  thread_ = std::thread([this] { run(); });
  v1::StreamRequest request;
  *request.mutable_open() = open;
  write(serialized(request));  // a failure shows as the end of the call
}

SeriesCall::~SeriesCall() {
  if (!status_) {
    context_.TryCancel();
    finish();
  }
}

void SeriesCall::run() {
  stream_->Read(&response_, tag(Step::kRead));
  bool finished = false;
  void* done = nullptr;
  bool ok = false;
  while (queue_.Next(&done, &ok)) {
    if (done == tag(Step::kWrite)) {
      end_write();
    } else if (done == tag(Step::kRead)) {
      after_read(ok);
    } else {
      finished = true;
    }
    // A write that was let begin before the call had ended still comes out of the queue.
    if (finished && !is_writing()) queue_.Shutdown();
  }
}

void SeriesCall::after_read(bool ok) {
  {
    const std::lock_guard lock(mutex_);
    if (ok) {
      apply(response_);
    } else {
      ended_ = true;
      ended_at_ = std::chrono::steady_clock::now();
      if (!opened_) opened_at_ = ended_at_;
    }
    changed_.notify_all();
  }
  if (ok) {
    stream_->Read(&response_, tag(Step::kRead));
  } else {
    stream_->Finish(&end_, tag(Step::kEnd));
  }
}

void SeriesCall::apply(v1::StreamResponse& response) {
  if (response.has_opened()) {
    opened_ = response.opened();
    opened_at_ = std::chrono::steady_clock::now();
    received_ = opened_->next_sequence();
    reports_durable_ = opened_->tells_durable();
    if (opened_->has_durable_sequence()) durable_ = opened_->durable_sequence() + 1;
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

bool SeriesCall::begin_write() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !writing_ || ended_; });
  if (ended_) return false;
  writing_ = true;
  return true;
}

bool SeriesCall::is_writing() const {
  const std::lock_guard lock(mutex_);
  return writing_;
}

void SeriesCall::end_write() {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  changed_.notify_all();
}

bool SeriesCall::write(const grpc::ByteBuffer& request) {
  if (!begin_write()) return false;
  stream_->Write(request, tag(Step::kWrite));
  return true;
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
  if (begin_write()) stream_->WritesDone(tag(Step::kWrite));
  thread_.join();
  status_ = end_;
  if (status_->error_code() == grpc::StatusCode::CANCELLED) {
    status_ = timed_out_
                  ? grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "no answer to Open in time")
                  : grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server ended the call");
  }
  return *status_;
}

}  // namespace ncscope::client
