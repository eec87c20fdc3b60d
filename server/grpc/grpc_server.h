// The gRPC front door: the service, grpc.health.v1 and reflection on one port.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "server/core/engine.h"
#include "server/core/session.h"
#include "server/grpc/connection_table.h"

namespace grpc {
class Server;
class Service;
namespace experimental {
class ExternalConnectionAcceptor;
}
}  // namespace grpc

namespace ncscope::server {

class HealthService;
class Listener;
class StreamServer;

struct GrpcOptions {
  std::string address;     // host:port; port 0 takes a free one
  int max_threads = 1024;  // of streams, and as many of other calls
  size_t max_message_bytes = size_t{64} << 20;
  size_t receive_memory_bytes = size_t{512} << 20;  // of batches that wait to be applied
  size_t network_memory_bytes = size_t{4} << 30;    // of messages on their way; beyond: streams end
  ConnectionCaps connections{};
};

class GrpcServer {
 public:
  // Listens when it returns. Throws Error where the address cannot be bound.
  GrpcServer(Engine& engine, const GrpcOptions& options);
  // Serves nothing but Stream, from another source of sessions.
  GrpcServer(SessionSource& sessions, const GrpcOptions& options);
  ~GrpcServer();

  int port() const;
  const ReceiveCounters& counters() const { return *counting_; }
  // What grpc.health.v1 answers: SERVING or NOT_SERVING.
  void set_serving(bool serving);
  // Takes no more calls, waits for those in progress up to `grace`, then cancels them. Returns when
  // no handler runs any more.
  void stop(std::chrono::milliseconds grace);

 private:
  template <class StreamedService>
  void start(std::unique_ptr<StreamedService> service, SessionSource& sessions,
             const GrpcOptions& options, ReceiveCounters& counters,
             ConnectionCounters& connections);
  void accept_connections();

  ReceiveCounters counters_;  // where there is no engine to count for
  ReceiveCounters* counting_ = &counters_;
  ConnectionCounters connection_counters_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<HealthService> health_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<StreamServer> streams_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace ncscope::server
