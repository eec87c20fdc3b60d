#include "server/grpc/service.h"

#include "server/core/errors.h"
#include "server/grpc/messages.h"
#include "server/grpc/statistics.h"
#include "server/grpc/status.h"

namespace ncscope::server {

using grpc::ServerContext;
using grpc::Status;

Status Service::GetReport(ServerContext* context, const v1::GetReportRequest* request,
                          v1::GetReportResponse* response) {
  return guarded([&] {
    *response->mutable_report() =
        engine_.get_report(*request, [&] { return context->IsCancelled(); });
  });
}

Status Service::ListRuns(ServerContext* /*context*/, const v1::ListRunsRequest* request,
                         v1::ListRunsResponse* response) {
  return guarded([&] { *response = engine_.list_runs(*request); });
}

Status Service::ListReports(ServerContext* /*context*/, const v1::ListReportsRequest* request,
                            v1::ListReportsResponse* response) {
  return guarded([&] { *response = engine_.list_reports(*request); });
}

Status Service::WatchReports(ServerContext* context, const v1::WatchReportsRequest* request,
                             grpc::ServerWriter<v1::WatchReportsResponse>* writer) {
  return guarded([&] {
    // Tells the caller that it is subscribed, before there is anything to send.
    writer->SendInitialMetadata();
    engine_.watch_reports(
        *request, [&] { return context->IsCancelled(); },
        [&](const v1::Report& report) {
          v1::WatchReportsResponse response;
          *response.mutable_report() = report;
          return writer->Write(response);
        });
  });
}

Status Service::ListSeries(ServerContext* /*context*/, const v1::ListSeriesRequest* request,
                           v1::ListSeriesResponse* response) {
  return guarded([&] { *response = engine_.list_series(*request); });
}

Status Service::ReportPartial(ServerContext* /*context*/, const v1::ReportPartialRequest* request,
                              v1::ReportPartialResponse* response) {
  return guarded([&] { *response = engine_.report_partial(*request); });
}

Status Service::DeleteRun(ServerContext* /*context*/, const v1::DeleteRunRequest* request,
                          v1::DeleteRunResponse* response) {
  return guarded([&] { *response = engine_.delete_run(*request); });
}

Status Service::GetStatistics(ServerContext* /*context*/, const v1::GetStatisticsRequest* request,
                              grpc::ServerWriter<v1::GetStatisticsResponse>* writer) {
  return guarded([&] {
    const StoredState state = engine_.get_statistics(*request);
    send_statistics(state.bundle, *writer);
  });
}

Status Service::PutStatistics(ServerContext* context,
                              grpc::ServerReader<v1::PutStatisticsRequest>* reader,
                              v1::PutStatisticsResponse* response) {
  return guarded([&] {
    write_closed(receive_statistics(engine_, *context, *reader), *response->mutable_closed());
  });
}

}  // namespace ncscope::server
