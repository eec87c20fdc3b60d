#include "server/server.h"

#include <spdlog/spdlog.h>

#include <thread>

#include "server/address.h"
#include "server/grpc/grpc_server.h"
#include "server/http/http_server.h"

namespace ncscope::server {
namespace {

// What the answers to the last messages get, once nothing new comes.
constexpr std::chrono::seconds kCallGrace{1};

// After the drain: no report that still waits is begun later.
constexpr std::chrono::seconds kReportGrace{10};

MakeDevice device_maker(const ServerOptions& options, const ServerHooks& hooks) {
  if (hooks.make_device) return hooks.make_device;
  return [device = options.device] { return make_device(device); };
}

Limits limits_of(const ServerOptions& options, const DataFolder& folder) {
  Limits limits = options.limits;
  if (options.default_log_budget) limits.log_budget_bytes = folder.room_for_logs() / 2;
  return limits;
}

}  // namespace

Server::Server(const ServerOptions& options, const ServerHooks& hooks)
    : folder_(options.data),
      services_(std::make_unique<Services>(
          limits_of(options, folder_), device_maker(options, hooks), options.devices,
          folder_.spool(), folder_.log(), folder_.database(), folder_.statistics())),
      engine_(std::make_unique<Engine>(*services_, options.idle_series)) {
  if (!options.http.empty()) {
    Address address = parse_address(options.http);
    http_ = std::make_unique<HttpServer>(*engine_, address.host, address.port);
    address.port = http_->port();
    http_address_ = format_address(address);
  }
  grpc_ = std::make_unique<GrpcServer>(
      *engine_,
      GrpcOptions{.address = options.listen,
                  .max_threads = options.max_threads,
                  .max_message_bytes = options.limits.max_message_bytes,
                  .receive_memory_bytes = options.limits.receive_memory_bytes,
                  .network_memory_bytes = options.network_memory_bytes,
                  .connections = {.total = options.max_connections,
                                  .per_peer = options.max_connections_per_peer,
                                  .calls = 3 * static_cast<size_t>(options.max_threads)}});
  Address address = parse_address(options.listen);
  address.port = grpc_->port();
  grpc_address_ = format_address(address);
  services_->devices.on_loss([this, tell = hooks.on_device_lost] {
    grpc_->set_serving(false);
    if (tell) tell();
  });
}

Server::~Server() {
  stop(std::chrono::milliseconds(0), [] { return true; });
}

void Server::stop(std::chrono::milliseconds drain, const std::function<bool()>& hurry) {
  if (!grpc_) return;
  const auto deadline = std::chrono::steady_clock::now() + drain;
  grpc_->set_serving(false);
  engine_->begin_drain();
  if (const size_t active = engine_->active(); active > 0) {
    spdlog::info("waiting for {} open streams to end", active);
  }
  while (engine_->active() > 0 && !hurry() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto last_report = std::chrono::steady_clock::now() + kReportGrace;
  // What is logged goes on waiting after a restart, for means that are better.
  if (!services_->logs.enabled()) {
    engine_->report_complete(
        [&] { return hurry() || std::chrono::steady_clock::now() >= last_report; });
  }
  const bool left = engine_->active() > 0;
  if (left) spdlog::warn("cancelling {} open streams", engine_->active());
  engine_->stop();
  grpc_->stop(left ? std::chrono::milliseconds(0) : kCallGrace);
  grpc_.reset();
  http_.reset();
}

}  // namespace ncscope::server
