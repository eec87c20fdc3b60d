#include "tests/client/rpc/scripted_server.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace ncscope::testing {

ScriptedServer::ScriptedServer() {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  builder.SetMaxReceiveMessageSize(64 << 20);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

ScriptedServer::~ScriptedServer() { shut_down(); }

void ScriptedServer::shut_down() { server_->Shutdown(std::chrono::system_clock::now()); }

void ScriptedServer::next_call(CallScript script) {
  const std::lock_guard lock(mutex_);
  scripts_.push_back(std::move(script));
}

CallScript ScriptedServer::take_script() {
  const std::lock_guard lock(mutex_);
  if (scripts_.empty()) return {};
  CallScript script = scripts_.front();
  scripts_.pop_front();
  return script;
}

void ScriptedServer::end_others_with(grpc::Status status) {
  const std::lock_guard lock(mutex_);
  others_ = std::move(status);
}

grpc::Status ScriptedServer::end_of_others() const {
  const std::lock_guard lock(mutex_);
  return others_;
}

grpc::Status ScriptedServer::Stream(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>* stream) {
  {
    const std::lock_guard lock(mutex_);
    present_call_ = stream;
    unacknowledged_ = 0;
    durable_ = 0;
  }
  const grpc::Status status = run_call(take_script(), *context, *stream);
  const std::lock_guard lock(mutex_);
  present_call_ = nullptr;
  return status;
}

void ScriptedServer::acknowledge_all() {
  const std::lock_guard lock(mutex_);
  if (present_call_ == nullptr || unacknowledged_ == 0) return;
  unacknowledged_ = 0;
  v1::StreamResponse response;
  response.mutable_ack()->set_received_sequence(next_sequence_ - 1);
  present_call_->Write(response);
}

void ScriptedServer::make_all_durable() {
  const std::lock_guard lock(mutex_);
  if (present_call_ == nullptr || next_sequence_ == durable_) return;
  durable_ = next_sequence_;
  v1::StreamResponse response;
  response.mutable_ack()->set_received_sequence(next_sequence_ - 1);
  response.mutable_ack()->set_durable_sequence(durable_ - 1);
  present_call_->Write(response);
}

grpc::Status ScriptedServer::run_call(
    const CallScript& script, grpc::ServerContext& context,
    grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>& stream) {
  v1::StreamRequest request;
  uint64_t in_call = 0;
  while (stream.Read(&request)) {
    v1::StreamResponse response;
    std::unique_lock lock(mutex_);
    if (request.has_open()) {
      opens_.push_back(request.open());
      if (script.end_at_open) return script.status;
      if (!script.answer_open) {
        lock.unlock();
        while (!context.IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return grpc::Status::CANCELLED;
      }
      next_sequence_ = script.next_sequence.value_or(next_sequence_);
      response.mutable_opened()->set_next_sequence(next_sequence_);
      response.mutable_opened()->set_max_message_bytes(uint64_t{8} << 20);
      response.mutable_opened()->set_tells_durable(script.tells_durable || script.durable);
    } else if (request.has_batch()) {
      batches_.push_back(request.batch());
      next_sequence_ = std::max(next_sequence_, request.batch().sequence() + 1);
      ++in_call;
      most_unacknowledged_ = std::max(most_unacknowledged_, ++unacknowledged_);
      if (script.end_after && in_call >= *script.end_after) return script.status;
      if (!script.acknowledge) continue;
      unacknowledged_ = 0;
      v1::Ack& ack = *response.mutable_ack();
      ack.set_received_sequence(next_sequence_ - 1);  // also of one it had
      if (script.durable) {
        ack.set_durable_sequence(std::min(*script.durable, next_sequence_ - 1));
        durable_ = std::max(durable_, ack.durable_sequence() + 1);
      }
      most_not_durable_ = std::max(most_not_durable_, next_sequence_ - durable_);
    } else if (request.has_classifier()) {
      chunks_.push_back(request.classifier());
      continue;
    } else {
      close_ = request.close();
      if (script.end_at_close) return script.status;
      response.mutable_closed()->set_closed_ranks(1);
      response.mutable_closed()->set_world_size(1);
    }
    // Under the lock: acknowledge_all() writes too.
    stream.Write(response);
  }
  return grpc::Status::OK;
}

std::vector<v1::Batch> ScriptedServer::batches() const {
  const std::lock_guard lock(mutex_);
  return batches_;
}

std::vector<v1::ClassifierChunk> ScriptedServer::chunks() const {
  const std::lock_guard lock(mutex_);
  return chunks_;
}

std::vector<v1::Open> ScriptedServer::opens() const {
  const std::lock_guard lock(mutex_);
  return opens_;
}

std::optional<v1::Close> ScriptedServer::close() const {
  const std::lock_guard lock(mutex_);
  return close_;
}

uint64_t ScriptedServer::most_not_durable() const {
  const std::lock_guard lock(mutex_);
  return most_not_durable_;
}

uint64_t ScriptedServer::most_unacknowledged() const {
  const std::lock_guard lock(mutex_);
  return most_unacknowledged_;
}

}  // namespace ncscope::testing
