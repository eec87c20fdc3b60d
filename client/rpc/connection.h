// A channel with its stub, and how statuses become exceptions.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "client/client.h"
#include "ncscope/v1/service.grpc.pb.h"

namespace ncscope::client {

class Connection {
 public:
  // Throws ServerError UNAVAILABLE.
  Connection(std::string address, ClientOptions options);

  const std::string& address() const { return address_; }
  const ClientOptions& options() const { return options_; }
  v1::NeuralCollapseService::StubInterface& stub() { return *stub_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

  // Waits until the server answers; false if it does not in time.
  bool wait_for_server(std::chrono::milliseconds timeout);

  // Sets a deadline from now.
  void set_deadline(grpc::ClientContext& context, std::chrono::milliseconds timeout) const;
  void set_deadline(grpc::ClientContext& context) const;

  // Throws ServerError unless `status` is ok; UNAVAILABLE where a server that stops cancelled the
  // call.
  void check(const grpc::Status& status) const;
  [[noreturn]] void fail(const grpc::Status& status) const;

 private:
  std::string address_;
  ClientOptions options_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::NeuralCollapseService::StubInterface> stub_;
};

// "INVALID_ARGUMENT" for grpc::StatusCode::INVALID_ARGUMENT, and so on.
std::string status_code_name(grpc::StatusCode code);

}  // namespace ncscope::client
