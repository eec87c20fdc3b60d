// The mergeable state, from and to a server.
#include <optional>

#include "client/client.h"
#include "client/rpc/connection.h"

namespace ncscope::client {

StatisticsBundle Client::statistics(const v1::SeriesKey& key) {
  grpc::ClientContext context;
  v1::GetStatisticsRequest request;
  *request.mutable_key() = key;
  const auto stream = connection_->stub().GetStatistics(&context, request);
  v1::GetStatisticsResponse response;
  std::optional<StatisticsReader> reader;
  try {
    while (stream->Read(&response)) {
      if (response.has_header() && !reader) {
        reader.emplace(response.header());
      } else if (response.has_block() && reader) {
        reader->add(response.block());
      } else {
        throw DataLoss("server " + address() + ": expected one header and then blocks of a state");
      }
    }
  } catch (...) {
    context.TryCancel();
    while (stream->Read(&response)) {
    }
    stream->Finish();
    throw;
  }
  connection_->check(stream->Finish());
  if (!reader) throw DataLoss("server " + address() + ": expected a state, got nothing");
  return reader->finish();
}

v1::Closed Client::put_statistics(const v1::Open& open, const StatisticsBundle& bundle) {
  grpc::ClientContext context;
  v1::PutStatisticsResponse response;
  const auto stream = connection_->stub().PutStatistics(&context, &response);
  // A failed write means that the call is over; Finish says why.
  bool is_open = true;
  v1::PutStatisticsRequest request;
  *request.mutable_open() = open;
  is_open = stream->Write(request);
  write_statistics(
      bundle,
      [&](const v1::StatisticsHeader& header) {
        *request.mutable_header() = header;
        is_open = is_open && stream->Write(request);
      },
      [&](const v1::StatisticsBlock& block) {
        *request.mutable_block() = block;
        is_open = is_open && stream->Write(request);
      });
  if (is_open) stream->WritesDone();
  connection_->check(stream->Finish());
  return std::move(*response.mutable_closed());
}

}  // namespace ncscope::client
