// The calls that are streams of messages.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ncscope/v1/service.grpc.pb.h"
#include "server/core/engine.h"

namespace ncscope::server {

// Serves one Stream call up to its Close. Throws what ends the call.
void serve_stream(SessionSource& sessions, size_t max_message_bytes, grpc::ServerContext& context,
                  grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>& stream);

// Receives one PutStatistics call.
CloseResult receive_statistics(Engine& engine, grpc::ServerContext& context,
                               grpc::ServerReader<v1::PutStatisticsRequest>& reader);

// Answers one GetStatistics call.
void send_statistics(const StatisticsBundle& bundle,
                     grpc::ServerWriter<v1::GetStatisticsResponse>& writer);

}  // namespace ncscope::server
