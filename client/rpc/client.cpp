#include "client/client.h"

#include "client/rpc/connection.h"
#include "client/rpc/health.h"
#include "client/rpc/series_impl.h"

namespace ncscope::client {

Client::Client(std::string address, ClientOptions options)
    : connection_(std::make_shared<Connection>(std::move(address), options)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

const std::string& Client::address() const { return connection_->address(); }

bool Client::healthy() { return is_serving(*connection_); }

Series Client::open(const v1::Open& open) {
  return Series(std::make_unique<Series::Impl>(connection_, open));
}

v1::Report Client::report(const v1::SeriesKey& key, std::chrono::milliseconds wait,
                          bool omit_classes, std::optional<uint32_t> attempt) {
  grpc::ClientContext context;
  connection_->set_deadline(context,
                            wait > wait.zero() ? wait : connection_->options().call_timeout);
  v1::GetReportRequest request;
  *request.mutable_key() = key;
  request.set_wait(wait > wait.zero());
  request.set_omit_classes(omit_classes);
  if (attempt) request.set_attempt(*attempt);
  v1::GetReportResponse response;
  connection_->check(connection_->stub().GetReport(&context, request, &response));
  return std::move(*response.mutable_report());
}

std::vector<v1::ListRunsResponse::Run> Client::runs() {
  std::vector<v1::ListRunsResponse::Run> runs;
  v1::ListRunsRequest request;
  do {
    grpc::ClientContext context;
    connection_->set_deadline(context);
    v1::ListRunsResponse response;
    connection_->check(connection_->stub().ListRuns(&context, request, &response));
    runs.insert(runs.end(), response.runs().begin(), response.runs().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return runs;
}

void Client::reports(v1::ListReportsRequest query,
                     const std::function<void(const v1::Report&)>& take) {
  query.set_page_token("");
  // With per-class tables a page can be large.
  query.set_page_size(query.include_classes() ? 10 : 100);
  do {
    grpc::ClientContext context;
    connection_->set_deadline(context);
    v1::ListReportsResponse response;
    connection_->check(connection_->stub().ListReports(&context, query, &response));
    for (const v1::Report& report : response.reports()) take(report);
    query.set_page_token(response.next_page_token());
  } while (!query.page_token().empty());
}

void Client::watch(const v1::WatchReportsRequest& request,
                   const std::function<bool(const v1::Report&)>& take) {
  grpc::ClientContext context;
  const auto reader = connection_->stub().WatchReports(&context, request);
  v1::WatchReportsResponse response;
  bool wanted = true;
  while (wanted && reader->Read(&response)) wanted = take(response.report());
  if (!wanted) {
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    reader->Finish();
    return;
  }
  connection_->check(reader->Finish());
}

v1::ListSeriesResponse Client::series(const std::string& run) {
  grpc::ClientContext context;
  connection_->set_deadline(context);
  v1::ListSeriesRequest request;
  request.set_run(run);
  v1::ListSeriesResponse response;
  connection_->check(connection_->stub().ListSeries(&context, request, &response));
  return response;
}

std::optional<v1::Report> Client::report_partial(const v1::SeriesKey& key) {
  grpc::ClientContext context;  // without a deadline: a report may take its time
  v1::ReportPartialRequest request;
  *request.mutable_key() = key;
  v1::ReportPartialResponse response;
  connection_->check(connection_->stub().ReportPartial(&context, request, &response));
  if (!response.has_report()) return std::nullopt;
  return std::move(*response.mutable_report());
}

uint64_t Client::delete_run(const std::string& run) {
  grpc::ClientContext context;
  connection_->set_deadline(context);
  v1::DeleteRunRequest request;
  request.set_run(run);
  v1::DeleteRunResponse response;
  connection_->check(connection_->stub().DeleteRun(&context, request, &response));
  return response.deleted_reports();
}

}  // namespace ncscope::client
