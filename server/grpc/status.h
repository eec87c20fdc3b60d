// From exceptions to statuses: the one table.
#pragma once

#include <grpcpp/support/status.h>

#include <exception>

namespace ncscope::server {

// The status of what was thrown. The text is that of the exception, cut where it would not fit
// into the trailer of a call.
grpc::Status status_of(const std::exception_ptr& thrown);

// Runs a handler; what it throws becomes the status of the call.
template <class Handler>
grpc::Status guarded(const Handler& handler) {
  try {
    handler();
    return grpc::Status::OK;
  } catch (...) {
    return status_of(std::current_exception());
  }
}

}  // namespace ncscope::server
