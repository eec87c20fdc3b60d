#include "server/grpc/grpc_server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <utility>

#include "server/core/errors.h"
#include "server/grpc/health.h"
#include "server/grpc/listener.h"
#include "server/grpc/service.h"
#include "server/grpc/stream_server.h"

namespace ncscope::server {
namespace {

// What gRPC has to say goes where the rest of the log goes.
void log_grpc(gpr_log_func_args* args) {
  if (args->severity == GPR_LOG_SEVERITY_DEBUG) return;
  spdlog::debug("grpc: {}", args->message);
}

void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(log_grpc);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

void add_keepalive(grpc::ServerBuilder& builder) {
  // A trainer whose machine is gone is noticed, and its thread freed, within 80 s.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
}

// Samples hardly compress, and what they expand to would be bounded by nothing.
void refuse_compression(grpc::ServerBuilder& builder) {
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
}

// A message that has begun is taken off the network whole: up to one a stream, and more where they
// are small. Where all of them are more than the quota, gRPC ends streams with RESOURCE_EXHAUSTED.
void bound_resources(grpc::ServerBuilder& builder, const GrpcOptions& options) {
  grpc::ResourceQuota quota("ncscope-server");
  quota.Resize(options.network_memory_bytes);
  // A call but Stream holds a thread while it lasts.
  quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
}

}  // namespace

GrpcServer::GrpcServer(Engine& engine, const GrpcOptions& options) {
  Counters& counters = engine.services().counters;
  start(std::make_unique<Service>(engine), engine, options, counters.receive, counters.connections);
}

GrpcServer::GrpcServer(SessionSource& sessions, const GrpcOptions& options) {
  start(std::make_unique<RawStreamService>(), sessions, options, counters_, connection_counters_);
}

template <class StreamedService>
void GrpcServer::start(std::unique_ptr<StreamedService> service, SessionSource& sessions,
                       const GrpcOptions& options, ReceiveCounters& counters,
                       ConnectionCounters& connections) {
  prepare_library();
  counting_ = &counters;
  grpc::ServerBuilder builder;
  listener_ = std::make_unique<Listener>(options.address, options.connections, connections);
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  // A connection on which nobody speaks HTTP/2 is closed then.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 8'000);
  add_keepalive(builder);
  refuse_compression(builder);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  bound_resources(builder, options);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 2);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 4);
  health_ = std::make_unique<HealthService>();
  builder.RegisterService(health_.get());
  builder.RegisterService(service.get());
  const StreamOptions stream_options{.max_message_bytes = options.max_message_bytes,
                                     .receive_memory_bytes = options.receive_memory_bytes,
                                     .max_streams = static_cast<size_t>(options.max_threads)};
  streams_ = std::make_unique<StreamServer>(*service, builder.AddCompletionQueue(), sessions,
                                            stream_options, counters);
  service_ = std::move(service);
  server_ = builder.BuildAndStart();
  if (!server_) throw Error("cannot serve on " + options.address);
  streams_->start();
  accept_connections();
}

void GrpcServer::accept_connections() {
  listener_->start([this](int listener_fd, int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener_fd;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  });
}

int GrpcServer::port() const { return listener_->port(); }

GrpcServer::~GrpcServer() {
  if (server_) stop(std::chrono::milliseconds(0));
}

void GrpcServer::set_serving(bool serving) { health_->set_serving(serving); }

void GrpcServer::stop(std::chrono::milliseconds grace) {
  if (!server_) return;
  listener_->stop();
  health_->stop();
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  streams_->stop();
  server_->Wait();
  server_.reset();
}

}  // namespace ncscope::server
