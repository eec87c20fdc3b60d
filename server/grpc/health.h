// grpc.health.v1. That of the gRPC library is a callback service: its threads would poll beside the
// one thread that receives streams, and take turns with it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>

#include "grpc/health/v1/health.grpc.pb.h"

namespace ncscope::server {

class HealthService final : public grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext* context,
                     const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override;
  grpc::Status Watch(grpc::ServerContext* context,
                     const grpc::health::v1::HealthCheckRequest* request,
                     grpc::ServerWriter<grpc::health::v1::HealthCheckResponse>* writer) override;

  void set_serving(bool serving);
  // Ends those who watch.
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool serving_ = true;
  bool stopped_ = false;
};

}  // namespace ncscope::server
