// grpc.health.v1, without its generated code, which the gRPC packages do not ship.
#pragma once

#include "client/rpc/connection.h"

namespace ncscope::client {

// Whether the server as a whole is SERVING. Throws ServerError.
bool is_serving(Connection& connection);

}  // namespace ncscope::client
