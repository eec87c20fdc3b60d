#include "client/rpc/series_impl.h"

#include <algorithm>
#include <thread>

#include "client/rpc/batch_message.h"

namespace ncscope::client {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

void add_chunks(v1::ClassifierChunk::Array array, const std::vector<double>& values,
                std::vector<grpc::ByteBuffer>& out) {
  constexpr size_t kElements = kChunkBytes / sizeof(double);
  for (size_t offset = 0; offset < values.size(); offset += kElements) {
    const size_t count = std::min(kElements, values.size() - offset);
    v1::StreamRequest request;
    v1::ClassifierChunk& chunk = *request.mutable_classifier();
    chunk.set_array(array);
    chunk.set_offset(offset);
    chunk.set_data_type(v1::DATA_TYPE_FLOAT64);
    chunk.set_data(values.data() + offset, count * sizeof(double));
    out.push_back(serialized(request));
  }
}

// Whether the server may still be there, or come back, and take the rest.
bool is_lost(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE;
}

}  // namespace

Series::Impl::Impl(std::shared_ptr<Connection> connection, v1::Open open)
    : connection_(std::move(connection)), open_(std::move(open)) {
  next_sequence_ = had_ = first_ = furthest_ = start_call();
}

uint64_t Series::Impl::start_call() {
  const bool reports_durable = call_ && call_->reports_durable();
  call_ = std::make_unique<SeriesCall>(*connection_, open_, reports_durable);
  const auto opened = call_->wait_opened(connection_->options().call_timeout);
  if (!opened) {
    connection_->check(call_->finish());
    connection_->fail({grpc::StatusCode::INTERNAL, "ended the stream without an answer to Open"});
  }
  max_message_bytes_ = opened->max_message_bytes();
  return opened->next_sequence();
}

void Series::Impl::send(const BatchBytes& batch) {
  wait_for_room(batch);
  const BatchCopy copy = copier_.copy(batch);
  write(copy.bytes, copy.crc32c, copy.owner);
}

void Series::Impl::send(const BatchBytes& batch, const std::shared_ptr<const void>& owner) {
  wait_for_room(batch);
  write(batch, checksum_of(batch), owner);
}

void Series::Impl::wait_for_room(const BatchBytes& batch) {
  const size_t bytes = batch_message_bytes(batch, next_sequence_);
  if (max_message_bytes_ > 0 && bytes > max_message_bytes_) {
    throw InvalidArgument("a batch of " + std::to_string(bytes) + " bytes; expected at most " +
                          std::to_string(max_message_bytes_) + ", what the server takes");
  }
  forget_safe();
  while (!kept_.empty() && kept_bytes_ + bytes > connection_->options().window_bytes) {
    if (!call_->wait_safe(kept_.front().sequence + 1)) recover();
    forget_safe();
  }
}

void Series::Impl::write(const BatchBytes& batch, uint32_t crc32c,
                         const std::shared_ptr<const void>& owner) {
  grpc::ByteBuffer request = batch_message(batch, next_sequence_, crc32c, owner);
  const size_t bytes = request.Length();
  kept_.push_back({next_sequence_++, bytes, std::move(request)});
  kept_bytes_ += bytes;
  // It is among those kept, which recover() sends.
  if (!call_->write(kept_.back().request)) recover();
}

void Series::Impl::send_classifier(const Classifier& classifier) {
  classifier.check();
  classifier_.clear();
  add_chunks(v1::ClassifierChunk::ARRAY_WEIGHT, classifier.weight, classifier_);
  add_chunks(v1::ClassifierChunk::ARRAY_BIAS, classifier.bias, classifier_);
  for (const grpc::ByteBuffer& chunk : classifier_) {
    if (call_->write(chunk)) continue;
    recover();  // sends all chunks
    return;
  }
}

v1::Closed Series::Impl::close(bool partial) {
  closing_ = true;
  v1::StreamRequest request;
  request.mutable_close()->set_batches(next_sequence_);
  request.mutable_close()->set_partial(partial);
  while (true) {
    if (call_->write(serialized(request))) {
      if (auto closed = call_->wait_closed()) {
        call_->finish();
        return *std::move(closed);
      }
    }
    recover();
  }
}

void Series::Impl::forget_safe() {
  const uint64_t safe = call_->safe();
  while (!kept_.empty() && kept_.front().sequence < safe) {
    kept_bytes_ -= kept_.front().bytes;
    kept_.pop_front();
  }
}

void Series::Impl::recover() {
  const auto deadline = std::chrono::steady_clock::now() + connection_->options().reconnect_timeout;
  while (true) {
    grpc::Status status = call_->finish();
    if (status.ok()) status = {grpc::StatusCode::INTERNAL, "ended the stream before Close"};
    if (!is_lost(status)) connection_->fail(status);
    require_progress(status);
    if (!reopen(deadline)) connection_->fail(status);
    ++futile_recoveries_;  // until the call proves otherwise
    if (replay()) return;
  }
}

void Series::Impl::require_progress(const grpc::Status& status) {
  const uint64_t came = call_->came();
  uint64_t acknowledged = call_->acknowledged_from(first_);
  if (came > had_) acknowledged = std::max(acknowledged, came);  // what Acks were lost of
  if (acknowledged > furthest_) {
    furthest_ = acknowledged;
    futile_recoveries_ = 0;
  } else if (call_->lasted() >= connection_->options().lasting_call && came >= furthest_) {
    futile_recoveries_ = 0;
  }
  if (futile_recoveries_ < kMaxFutileRecoveries) return;
  throw NoProgress(furthest_, closing_ && call_->received() >= next_sequence_,
                   status.error_message(), connection_->address());
}

bool Series::Impl::reopen(std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !connection_->wait_for_server(left)) return false;
    try {
      const uint64_t wanted = start_call();
      const uint64_t oldest = kept_.empty() ? next_sequence_ : kept_.front().sequence;
      if (wanted < oldest) throw Rewound(wanted, furthest_, connection_->address());
      if (wanted > std::max(next_sequence_, had_)) {
        connection_->fail(
            {grpc::StatusCode::ABORTED, "batches from elsewhere came to this series"});
      }
      first_ = std::min(wanted, next_sequence_);
      return true;
    } catch (const ServerError& error) {
      if (error.code() != status_code_name(grpc::StatusCode::UNAVAILABLE)) throw;
      // A server that is shutting down still answers; give it time to go and come back.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

bool Series::Impl::replay() {
  forget_safe();
  for (const grpc::ByteBuffer& chunk : classifier_) {
    if (!call_->write(chunk)) return false;
  }
  for (const Kept& kept : kept_) {
    if (kept.sequence >= first_ && !call_->write(kept.request)) return false;
  }
  return true;
}

Series::Series(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Series::Series(Series&&) noexcept = default;
Series& Series::operator=(Series&&) noexcept = default;
Series::~Series() = default;

uint64_t Series::next_sequence() const { return impl_->next_sequence(); }
uint64_t Series::max_message_bytes() const { return impl_->max_message_bytes(); }
uint64_t Series::received() const { return impl_->received(); }
uint64_t Series::durable() const { return impl_->durable(); }
void Series::rewind() { impl_->rewind(); }
void Series::send(const BatchBytes& batch) { impl_->send(batch); }
void Series::send(const BatchBytes& batch, std::shared_ptr<const void> owner) {
  impl_->send(batch, owner);
}
void Series::send_classifier(const Classifier& classifier) { impl_->send_classifier(classifier); }
v1::Closed Series::close(bool partial) { return impl_->close(partial); }

}  // namespace ncscope::client
