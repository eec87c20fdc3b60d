#include "server/grpc/statistics.h"

#include <string>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

[[noreturn]] void caller_gone(const char* call) {
  throw Cancelled(std::string(call) + ": the caller is gone");
}

}  // namespace

CloseResult receive_statistics(Engine& engine, grpc::ServerContext& context,
                               grpc::ServerReader<v1::PutStatisticsRequest>& reader) {
  v1::PutStatisticsRequest request;
  if (!reader.Read(&request) || !request.has_open()) {
    if (context.IsCancelled()) caller_gone("PutStatistics");
    throw FailedPrecondition("PutStatistics: expected Open as the first message of a call");
  }
  StateUpload upload(engine, request.open());
  while (reader.Read(&request)) {
    if (request.has_header()) {
      upload.header(request.header());
    } else if (request.has_block()) {
      upload.block(request.block());
    } else {
      throw FailedPrecondition("PutStatistics: expected a header, then blocks");
    }
  }
  if (context.IsCancelled()) caller_gone("PutStatistics");
  return upload.finish();
}

void send_statistics(const StatisticsBundle& bundle,
                     grpc::ServerWriter<v1::GetStatisticsResponse>& writer) {
  v1::GetStatisticsResponse response;
  const auto send = [&] {
    if (!writer.Write(response)) caller_gone("GetStatistics");
  };
  write_statistics(
      bundle,
      [&](const v1::StatisticsHeader& header) {
        *response.mutable_header() = header;
        send();
      },
      [&](const v1::StatisticsBlock& block) {
        *response.mutable_block() = block;
        send();
      });
}

}  // namespace ncscope::server
