// The calls that are streams of states.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ncscope/v1/service.grpc.pb.h"
#include "server/core/engine.h"

namespace ncscope::server {

// Receives one PutStatistics call.
CloseResult receive_statistics(Engine& engine, grpc::ServerContext& context,
                               grpc::ServerReader<v1::PutStatisticsRequest>& reader);

// Answers one GetStatistics call.
void send_statistics(const StatisticsBundle& bundle,
                     grpc::ServerWriter<v1::GetStatisticsResponse>& writer);

}  // namespace ncscope::server
