#include "server/grpc/grpc_server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <spdlog/spdlog.h>

#include <mutex>

#include "server/core/errors.h"
#include "server/grpc/service.h"

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
    grpc::EnableDefaultHealthCheckService(true);
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

}  // namespace

GrpcServer::GrpcServer(Engine& engine, const GrpcOptions& options)
    : service_(std::make_unique<Service>(engine, options.max_message_bytes)) {
  start(options);
}

GrpcServer::GrpcServer(SessionSource& sessions, const GrpcOptions& options)
    : service_(std::make_unique<StreamService>(sessions, options.max_message_bytes)) {
  start(options);
}

void GrpcServer::start(const GrpcOptions& options) {
  prepare_library();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port_);
  // Two servers on one port would each get some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  add_keepalive(builder);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  // A call holds a thread while it lasts.
  grpc::ResourceQuota quota("ncscope-server");
  quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 2);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 4);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  if (!server_ || port_ == 0) {
    throw Error("cannot listen on " + options.address +
                ": the port is in use, or the address is not one of this machine");
  }
}

GrpcServer::~GrpcServer() {
  if (server_) stop(std::chrono::milliseconds(0));
}

void GrpcServer::set_serving(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void GrpcServer::stop(std::chrono::milliseconds grace) {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  server_->Wait();
  server_.reset();
}

}  // namespace ncscope::server
