#include "tests/server/raw_stream.h"

#include <vector>

namespace ncscope::testing {
namespace {

std::shared_ptr<grpc::Channel> channel_to(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel =
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  return channel;
}

void* const kStart = reinterpret_cast<void*>(1);
void* const kWrite = reinterpret_cast<void*>(2);
void* const kRead = reinterpret_cast<void*>(3);
void* const kFinish = reinterpret_cast<void*>(4);

}  // namespace

RawStream::RawStream(const std::string& address,
                     const std::function<void(grpc::ClientContext&)>& prepare)
    : stub_(channel_to(address)) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  if (prepare) prepare(context_);
  call_ = stub_.PrepareCall(&context_, "/ncscope.v1.NeuralCollapseService/Stream", &queue_);
  call_->StartCall(kStart);
  wait(kStart);
}

RawStream::~RawStream() {
  if (!finished_) {
    cancel();
    finish();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

// Of one operation at a time, but for a write that was given up.
bool RawStream::wait(void* tag) {
  void* got = nullptr;
  bool ok = false;
  while (queue_.Next(&got, &ok)) {
    if (got == tag) return ok;
  }
  return false;
}

bool RawStream::send(const std::string& message) {
  return send_within(message, std::chrono::seconds(60));
}

bool RawStream::send_within(const std::string& message, std::chrono::milliseconds time) {
  if (unsent_) return false;
  const grpc::Slice slice(message);
  call_->Write(grpc::ByteBuffer(&slice, 1), kWrite);
  void* tag = nullptr;
  bool ok = false;
  const auto deadline = std::chrono::system_clock::now() + time;
  if (queue_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) return ok;
  unsent_ = true;
  return false;
}

std::optional<v1::StreamResponse> RawStream::read() {
  grpc::ByteBuffer buffer;
  call_->Read(&buffer, kRead);
  if (!wait(kRead)) return std::nullopt;
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (buffer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  v1::StreamResponse response;
  if (!response.ParseFromString(bytes)) return std::nullopt;
  return response;
}

grpc::Status RawStream::finish() {
  finished_ = true;
  grpc::Status status;
  if (!unsent_) {
    call_->WritesDone(kWrite);
    wait(kWrite);
  }
  while (read()) {
  }
  call_->Finish(&status, kFinish);
  wait(kFinish);
  return status;
}

}  // namespace ncscope::testing
