// A Stream call of whatever bytes, with or without waiting for answers.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

#include "ncscope/v1/service.pb.h"

namespace ncscope::testing {

class RawStream {
 public:
  explicit RawStream(const std::string& address,
                     const std::function<void(grpc::ClientContext&)>& prepare = {});
  ~RawStream();

  // False where the call has ended.
  bool send(const std::string& message);
  bool send(const v1::StreamRequest& request) { return send(request.SerializeAsString()); }
  // Sends the message if that can be done within the time; the call is of no use for sending
  // afterwards if it cannot.
  bool send_within(const std::string& message, std::chrono::milliseconds time);
  std::optional<v1::StreamResponse> read();
  void cancel() { context_.TryCancel(); }
  grpc::Status finish();

 private:
  bool wait(void* tag);

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool unsent_ = false;
  bool finished_ = false;
};

}  // namespace ncscope::testing
