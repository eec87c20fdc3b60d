#include "tests/server/live_server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace ncscope::testing {

server::ServerOptions test_options(const std::filesystem::path& data) {
  server::ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.http = "";
  options.data = data.string();
  options.device.backend = Backend::kCpu;
  // One Ack for each batch: what becomes durable later is told by more of them.
  options.limits.durability = server::Durability::kOs;
  return options;
}

std::unique_ptr<Stub> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Connections of their own, so that a cancelled call of one test touches no other.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel =
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  // One attempt in thousands to reach a server that listens fails; the channel tries again.
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  return v1::NeuralCollapseService::NewStub(channel);
}

std::unique_ptr<grpc::ClientContext> bounded_context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  return context;
}

StreamCall::StreamCall(Stub& stub)
    : context_(bounded_context()), stream_(stub.Stream(context_.get())) {}

StreamCall::~StreamCall() {
  if (finished_) return;
  cancel();
  finish();
}

void StreamCall::cancel() { context_->TryCancel(); }

bool StreamCall::write(const v1::StreamRequest& request) { return stream_->Write(request); }

std::optional<v1::StreamResponse> StreamCall::read() {
  v1::StreamResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

std::optional<v1::Opened> StreamCall::open(const v1::Open& open) {
  v1::StreamRequest request;
  *request.mutable_open() = open;
  write(request);
  const auto response = read();
  if (!response || !response->has_opened()) return std::nullopt;
  return response->opened();
}

std::optional<v1::Ack> StreamCall::batch(const v1::Batch& batch) {
  v1::StreamRequest request;
  *request.mutable_batch() = batch;
  write(request);
  const auto response = read();
  if (!response || !response->has_ack()) return std::nullopt;
  return response->ack();
}

bool StreamCall::chunk(const v1::ClassifierChunk& chunk) {
  v1::StreamRequest request;
  *request.mutable_classifier() = chunk;
  return write(request);
}

std::optional<v1::Closed> StreamCall::close(uint64_t batches, bool partial) {
  v1::StreamRequest request;
  request.mutable_close()->set_batches(batches);
  request.mutable_close()->set_partial(partial);
  write(request);
  auto response = read();
  while (response && response->has_ack()) response = read();
  if (!response || !response->has_closed()) return std::nullopt;
  return response->closed();
}

grpc::Status StreamCall::finish() {
  finished_ = true;
  stream_->WritesDone();
  while (read()) {
  }
  return stream_->Finish();
}

grpc::Status StreamCall::wait_for_end() {
  finished_ = true;
  while (read()) {
  }
  return stream_->Finish();
}

std::optional<v1::Closed> stream_all(Stub& stub, const v1::Open& open, const Samples& samples,
                                     size_t batch_rows, grpc::Status* status) {
  StreamCall call(stub);
  std::optional<v1::Closed> closed;
  if (call.open(open)) {
    const auto batches = batches_of(samples, batch_rows);
    bool alive = true;
    for (const v1::Batch& batch : batches) alive = alive && call.batch(batch).has_value();
    if (alive && samples.classifier) {
      for (const auto& chunk : chunks_of(*samples.classifier, 1000)) call.chunk(chunk);
    }
    if (alive) closed = call.close(batches.size());
  }
  const grpc::Status ended = call.finish();
  if (status != nullptr) {
    *status = ended;
  } else {
    EXPECT_TRUE(ended.ok()) << ended.error_message();
  }
  return closed;
}

void expect_status(const grpc::Status& status, grpc::StatusCode code,
                   const std::vector<std::string>& parts) {
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  for (const std::string& part : parts) {
    EXPECT_THAT(status.error_message(), ::testing::HasSubstr(part));
  }
}

std::optional<std::string> call_by_name(const std::string& address, const std::string& method,
                                        const std::string& request) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  const auto context = bounded_context();
  const auto call = stub.PrepareCall(context.get(), method, &queue);
  void* tag;
  bool ok = false;
  const auto wait = [&] { return queue.Next(&tag, &ok) && ok; };
  call->StartCall(nullptr);
  if (!wait()) return std::nullopt;
  const grpc::Slice slice(request);
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  if (!wait()) return std::nullopt;
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  if (!wait()) return std::nullopt;
  std::vector<grpc::Slice> slices;
  answer.Dump(&slices);
  std::string bytes;
  for (const auto& part : slices)
    bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
  context->TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  return bytes;
}

int health(const std::string& address) {
  const auto answer = call_by_name(address, "/grpc.health.v1.Health/Check", "");
  return answer && answer->size() == 2 ? (*answer)[1] : -1;
}

LiveServer::LiveServer(const std::function<void(server::ServerOptions&)>& change,
                       const server::ServerHooks& hooks) {
  spdlog::set_level(spdlog::level::off);
  server::ServerOptions options = test_options(folder_ / "data");
  change(options);
  server_ = std::make_unique<server::Server>(options, hooks);
  stub_ = connect(server_->grpc_address());
}

grpc::Status LiveServer::get_report(const v1::SeriesKey& key, v1::Report& report, bool wait) {
  return testing::get_report(*stub_, key, report, wait);
}

grpc::Status get_report(Stub& stub, const v1::SeriesKey& key, v1::Report& report, bool wait) {
  v1::GetReportRequest request;
  *request.mutable_key() = key;
  request.set_wait(wait);
  v1::GetReportResponse response;
  const auto context = bounded_context();
  const grpc::Status status = stub.GetReport(context.get(), request, &response);
  report = response.report();
  return status;
}

v1::Report LiveServer::undisturbed(const Samples& samples, const v1::Open& open,
                                   size_t batch_rows) {
  v1::Open aside = open;
  aside.mutable_key()->set_run(open.key().run() + ".undisturbed");
  const auto closed = stream_all(*stub_, aside, samples, batch_rows);
  EXPECT_TRUE(closed && closed->has_report());
  return closed ? closed->report() : v1::Report();
}

}  // namespace ncscope::testing
