#include "client/rpc/connection.h"

#include <array>

namespace ncscope::client {
namespace {

// A report of 250,000 classes has 20 MB of them.
constexpr int kMaxReceivedBytes = 1 << 28;

std::shared_ptr<grpc::Channel> make_channel(const std::string& address,
                                            const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   static_cast<int>(options.keepalive_interval.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(options.keepalive_timeout.count()));
  arguments.SetMaxReceiveMessageSize(kMaxReceivedBytes);
  // Any number of pings in a call that is quiet, such as a watch or a Close that waits.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A connection of its own: channels of the same target would share one, and its failures.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A server that restarts is found again at once.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Proxies are for the web; a trainer's server is named.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

std::string status_code_name(grpc::StatusCode code) {
  constexpr std::array<const char*, 17> kNames = {"OK",
                                                  "CANCELLED",
                                                  "UNKNOWN",
                                                  "INVALID_ARGUMENT",
                                                  "DEADLINE_EXCEEDED",
                                                  "NOT_FOUND",
                                                  "ALREADY_EXISTS",
                                                  "PERMISSION_DENIED",
                                                  "RESOURCE_EXHAUSTED",
                                                  "FAILED_PRECONDITION",
                                                  "ABORTED",
                                                  "OUT_OF_RANGE",
                                                  "UNIMPLEMENTED",
                                                  "INTERNAL",
                                                  "UNAVAILABLE",
                                                  "DATA_LOSS",
                                                  "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < kNames.size() ? kNames[index] : "CODE_" + std::to_string(index);
}

Connection::Connection(std::string address, ClientOptions options)
    : address_(std::move(address)),
      options_(options),
      channel_(make_channel(address_, options_)),
      stub_(v1::NeuralCollapseService::NewStub(channel_)) {
  if (wait_for_server(options_.connect_timeout)) return;
  throw ServerError("UNAVAILABLE",
                    "no answer within " + std::to_string(options_.connect_timeout.count()) + " ms",
                    address_);
}

bool Connection::wait_for_server(std::chrono::milliseconds timeout) {
  return channel_->WaitForConnected(std::chrono::system_clock::now() + timeout);
}

void Connection::set_deadline(grpc::ClientContext& context,
                              std::chrono::milliseconds timeout) const {
  context.set_deadline(std::chrono::system_clock::now() + timeout);
}

void Connection::set_deadline(grpc::ClientContext& context) const {
  set_deadline(context, options_.call_timeout);
}

void Connection::check(const grpc::Status& status) const {
  if (!status.ok()) fail(status);
}

void Connection::fail(const grpc::Status& status) const {
  // Calls that we cancel ourselves end without a look at their status.
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    fail({grpc::StatusCode::UNAVAILABLE, "the server ended the call"});
  }
  throw ServerError(status_code_name(status.error_code()), status.error_message(), address_);
}

}  // namespace ncscope::client
