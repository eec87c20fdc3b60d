#include "server/grpc/stream_server.h"

#include <utility>

namespace ncscope::server {

StreamServer::StreamServer(RawStreamService& service,
                           std::unique_ptr<grpc::ServerCompletionQueue> queue,
                           SessionSource& sessions, const StreamOptions& options,
                           ReceiveCounters& counters)
    : service_(service),
      queue_(std::move(queue)),
      sessions_(sessions),
      options_(options),
      counters_(counters),
      pool_(options.receive_memory_bytes),
      memory_(options.receive_memory_bytes, counters),
      workers_(options.max_streams) {}

StreamServer::~StreamServer() { stop(); }

void StreamServer::start() {
  StreamCall::wait_for_caller(*this);
  thread_ = std::thread([this] { run(); });
}

void StreamServer::stop() {
  if (std::exchange(stopped_, true)) return;
  {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return calls_ == 0; });
  }
  // No operation may be begun on the queue any more: there is no call.
  queue_->Shutdown();
  if (thread_.joinable()) {
    thread_.join();
  } else {
    run();  // it is to be emptied, be it that nobody ever came
  }
}

void StreamServer::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    const auto* event = static_cast<const StreamCall::Event*>(tag);
    (event->call->*event->ended)(ok);
  }
}

void StreamServer::request(grpc::ServerContext& context, StreamCall::Stream& stream,
                           StreamCall::Event* event) {
  service_.RequestStream(&context, &stream, queue_.get(), queue_.get(), event);
}

void StreamServer::call_begins() {
  const std::lock_guard lock(mutex_);
  ++calls_;
}

void StreamServer::call_ends(bool had_place) {
  const std::lock_guard lock(mutex_);
  if (had_place) --places_;
  if (--calls_ == 0) ended_.notify_all();
}

bool StreamServer::take_place() {
  const std::lock_guard lock(mutex_);
  if (places_ >= options_.max_streams) return false;
  ++places_;
  return true;
}

}  // namespace ncscope::server
