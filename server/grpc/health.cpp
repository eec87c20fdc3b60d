#include "server/grpc/health.h"

#include <chrono>
#include <optional>
#include <string>

#include "ncscope/v1/service.grpc.pb.h"

namespace ncscope::server {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// A watcher that is gone is noticed within this time.
constexpr std::chrono::milliseconds kLook{500};

bool is_known(const std::string& service) {
  return service.empty() || service == v1::NeuralCollapseService::service_full_name();
}

}  // namespace

grpc::Status HealthService::Check(grpc::ServerContext* /*context*/,
                                  const HealthCheckRequest* request,
                                  HealthCheckResponse* response) {
  if (!is_known(request->service())) {
    return {grpc::StatusCode::NOT_FOUND, "no service '" + request->service() + "'"};
  }
  const std::lock_guard lock(mutex_);
  response->set_status(serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  return grpc::Status::OK;
}

grpc::Status HealthService::Watch(grpc::ServerContext* context, const HealthCheckRequest* request,
                                  grpc::ServerWriter<HealthCheckResponse>* writer) {
  const bool known = is_known(request->service());
  std::optional<HealthCheckResponse::ServingStatus> told;
  std::unique_lock lock(mutex_);
  while (!stopped_ && !context->IsCancelled()) {
    const auto status = !known     ? HealthCheckResponse::SERVICE_UNKNOWN
                        : serving_ ? HealthCheckResponse::SERVING
                                   : HealthCheckResponse::NOT_SERVING;
    if (status == told) {
      changed_.wait_for(lock, kLook);
      continue;
    }
    told = status;
    lock.unlock();
    HealthCheckResponse response;
    response.set_status(status);
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
    lock.lock();
  }
  return {grpc::StatusCode::UNAVAILABLE, "the server is shutting down"};
}

void HealthService::set_serving(bool serving) {
  const std::lock_guard lock(mutex_);
  serving_ = serving;
  changed_.notify_all();
}

void HealthService::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace ncscope::server
