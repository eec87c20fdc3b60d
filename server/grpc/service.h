// The calls of the wire contract but Stream, over the engine: each handler wraps one call of it.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ncscope/v1/service.grpc.pb.h"
#include "server/core/engine.h"
#include "server/grpc/stream_server.h"

namespace ncscope::server {

class Service final : public RawStreamService {
 public:
  explicit Service(Engine& engine) : engine_(engine) {}

  grpc::Status GetReport(grpc::ServerContext* context, const v1::GetReportRequest* request,
                         v1::GetReportResponse* response) override;
  grpc::Status ListRuns(grpc::ServerContext* context, const v1::ListRunsRequest* request,
                        v1::ListRunsResponse* response) override;
  grpc::Status ListReports(grpc::ServerContext* context, const v1::ListReportsRequest* request,
                           v1::ListReportsResponse* response) override;
  grpc::Status WatchReports(grpc::ServerContext* context, const v1::WatchReportsRequest* request,
                            grpc::ServerWriter<v1::WatchReportsResponse>* writer) override;
  grpc::Status ListSeries(grpc::ServerContext* context, const v1::ListSeriesRequest* request,
                          v1::ListSeriesResponse* response) override;
  grpc::Status ReportPartial(grpc::ServerContext* context, const v1::ReportPartialRequest* request,
                             v1::ReportPartialResponse* response) override;
  grpc::Status DeleteRun(grpc::ServerContext* context, const v1::DeleteRunRequest* request,
                         v1::DeleteRunResponse* response) override;
  grpc::Status GetStatistics(grpc::ServerContext* context, const v1::GetStatisticsRequest* request,
                             grpc::ServerWriter<v1::GetStatisticsResponse>* writer) override;
  grpc::Status PutStatistics(grpc::ServerContext* context,
                             grpc::ServerReader<v1::PutStatisticsRequest>* reader,
                             v1::PutStatisticsResponse* response) override;

 private:
  Engine& engine_;
};

}  // namespace ncscope::server
