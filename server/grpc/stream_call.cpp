#include "server/grpc/stream_call.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/grpc/status.h"
#include "server/grpc/stream_server.h"

namespace ncscope::server {
namespace {

// What a call may hold ahead of the message that is being handled.
constexpr size_t kAheadMessages = 16;
constexpr size_t kAheadBytes = size_t{16} << 20;

}  // namespace

// What must not end while the lock is held ends after it: a lease serves other calls, and the last
// event takes the call with it.
class StreamCall::Lock {
 public:
  explicit Lock(StreamCall& call) : call_(call), lock_(call.mutex_) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  // Others may have begun meanwhile.
  ~Lock() {
    call_.outstanding_ -= ended_events_;
    if (call_.outstanding_ == 0) last_ = std::move(call_.self_);
  }
  void drop(std::unique_ptr<StreamMessage> message) { dropped_.push_back(std::move(message)); }
  void event_ended() { ++ended_events_; }

 private:
  StreamCall& call_;
  size_t ended_events_ = 0;
  std::shared_ptr<StreamCall> last_;
  std::vector<std::unique_ptr<StreamMessage>> dropped_;  // before it
  std::unique_lock<std::mutex> lock_;
};

StreamCall::Presence::Presence(StreamServer& server) : server_(server) { server_.call_begins(); }
StreamCall::Presence::~Presence() { server_.call_ends(has_place_); }
bool StreamCall::Presence::take_place() { return has_place_ = server_.take_place(); }

StreamCall::StreamCall(StreamServer& server)
    : presence_(server),
      server_(server),
      handler_(
          server.sessions(), server.pool(), server.options().max_message_bytes,
          [this](v1::StreamResponse&& response) { answer(std::move(response)); },
          [this] { stop(); }) {}

void StreamCall::wait_for_caller(StreamServer& server) {
  const auto call = std::make_shared<StreamCall>(server);
  const Lock lock(*call);
  call->self_ = call;
  call->context_.AsyncNotifyWhenDone(call->begin(call->gone_));
  server.request(call->context_, call->stream_, call->begin(call->called_));
}

StreamCall::Event* StreamCall::begin(Event& event) {
  ++outstanding_;
  return &event;
}

void StreamCall::on_called(bool ok) {
  if (ok) wait_for_caller(server_);
  Lock lock(*this);
  lock.event_ended();
  if (!ok) {
    lock.event_ended();  // on_gone() is told of calls that have begun, and of no others
  } else if (presence_.take_place()) {
    read_more();
  } else {
    conclude(lock, {grpc::StatusCode::RESOURCE_EXHAUSTED,
                    "Stream: expected at most " + std::to_string(server_.options().max_streams) +
                        " streams at once (--max-threads), got one more; try again later"});
  }
}

bool StreamCall::may_read() const {
  if (reading_ || waiting_ || opening_ || ended_ || status_) return false;
  const size_t ahead = std::min(kAheadBytes, server_.options().receive_memory_bytes / 8);
  return held_messages_ == 0 || (held_messages_ <= kAheadMessages && held_bytes_ <= ahead);
}

void StreamCall::read_more() {
  if (!may_read()) return;
  reading_ = std::make_unique<StreamMessage>();
  stream_.Read(&reading_->buffer(), begin(read_));
}

void StreamCall::on_read(bool ok) {
  if (ok) read_message().look();  // while `reading_` is there nobody else touches it
  Lock lock(*this);
  lock.event_ended();
  auto message = std::move(reading_);
  if (!ok || ended_ || status_) {
    lock.drop(std::move(message));
    ended_ = true;
    start_worker();
    return;
  }
  server_.counters().bytes += message->bytes();
  opening_ = !spec_;
  if (take_memory(message)) queue(std::move(message));
}

StreamMessage& StreamCall::read_message() {
  const Lock lock(*this);
  return *reading_;
}

bool StreamCall::take_memory(std::unique_ptr<StreamMessage>& message) {
  const size_t bytes = message->memory_needed(spec_ ? &*spec_ : nullptr);
  if (bytes == 0) return true;
  auto lease =
      server_.memory().take(bytes, this, [self = shared_from_this()](ReceiveMemory::Lease later) {
        self->on_memory(std::move(later));
      });
  if (lease) {
    message->lease = *std::move(lease);
  } else {
    waiting_ = std::move(message);
  }
  return lease.has_value();
}

void StreamCall::on_memory(ReceiveMemory::Lease lease) {
  const Lock lock(*this);
  if (!waiting_) return;  // given up meanwhile
  waiting_->lease = std::move(lease);
  queue(std::move(waiting_));
}

void StreamCall::queue(std::unique_ptr<StreamMessage> message) {
  ++held_messages_;
  held_bytes_ += message->lease.bytes();
  queued_.push_back(std::move(message));
  start_worker();
  read_more();
}

void StreamCall::drop_unhandled(Lock& lock) {
  for (auto& message : queued_) lock.drop(std::move(message));
  queued_.clear();
  if (!waiting_) return;
  server_.memory().forget(this);
  lock.drop(std::move(waiting_));
}

void StreamCall::start_worker() {
  if (working_ || !has_work()) return;
  working_ = true;
  ++outstanding_;
  server_.workers().post([this] { work(); });
}

void StreamCall::work() {
  while (true) {
    {
      Lock lock(*this);
      if (!has_work()) {
        working_ = false;
        lock.event_ended();
        return;
      }
    }
    bool cancelled = false;
    if (auto message = next_message(cancelled)) {
      handle(std::move(message));
    } else {
      end_session(guarded([&] { handler_.end(cancelled); }));
    }
  }
}

std::unique_ptr<StreamMessage> StreamCall::next_message(bool& cancelled) {
  const Lock lock(*this);
  cancelled = cancelled_;
  if (queued_.empty() || over_) return nullptr;
  auto message = std::move(queued_.front());
  queued_.pop_front();
  return message;
}

void StreamCall::handle(std::unique_ptr<StreamMessage> message) {
  bool closed = false;
  const grpc::Status status = guarded([&] { closed = handler_.handle(*message); });
  const size_t bytes = message->lease.bytes();
  message.reset();
  if (closed || !status.ok()) {
    end_session(status);
    return;
  }
  const Lock lock(*this);
  --held_messages_;
  held_bytes_ -= bytes;
  if (opening_) {
    spec_ = *handler_.batch_spec();
    opening_ = false;
  }
  read_more();
}

void StreamCall::end_session(const grpc::Status& status) {
  handler_.close();
  Lock lock(*this);
  conclude(lock, status);
}

void StreamCall::conclude(Lock& lock, const grpc::Status& status) {
  status_ = status;
  drop_unhandled(lock);
  write_more();
}

void StreamCall::answer(v1::StreamResponse&& response) {
  const Lock lock(*this);
  if (status_ || broken_) return;
  answers_.push(std::move(response));
  write_more();
}

void StreamCall::stop() {
  const Lock lock(*this);
  over_ = true;
  start_worker();
}

void StreamCall::write_more() {
  if (writing_ || finishing_) return;
  if (const auto answer = answers_.pop()) {
    writing_ = true;
    stream_.Write(serialize(*answer), begin(written_));
  } else if (status_) {
    finishing_ = true;
    stream_.Finish(*status_, begin(finished_));
  }
}

void StreamCall::on_written(bool ok) {
  Lock lock(*this);
  lock.event_ended();
  writing_ = false;
  if (!ok) {
    broken_ = true;
    answers_.clear();
  }
  write_more();
}

void StreamCall::on_finished(bool /*ok*/) {
  Lock lock(*this);
  lock.event_ended();
}

void StreamCall::on_gone(bool /*ok*/) {
  Lock lock(*this);
  lock.event_ended();
  if (!context_.IsCancelled()) return;
  cancelled_ = ended_ = true;
  drop_unhandled(lock);
  start_worker();
}

}  // namespace ncscope::server
