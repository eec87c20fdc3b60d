#include "client/rpc/health.h"

#include <grpcpp/generic/generic_stub.h>

#include <string>
#include <vector>

namespace ncscope::client {
namespace {

// HealthCheckResponse{status = SERVING}: field 1, varint 1.
constexpr std::string_view kServing("\x08\x01", 2);

std::string joined(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

bool is_serving(Connection& connection) {
  grpc::ClientContext context;
  connection.set_deadline(context, connection.options().connect_timeout);
  grpc::GenericStub stub(connection.channel());
  // HealthCheckRequest{service = ""} has no bytes.
  const grpc::Slice nothing("");
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  grpc::CompletionQueue queue;
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  connection.check(status);
  return joined(response) == kServing;
}

}  // namespace ncscope::client
