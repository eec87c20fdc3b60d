#include "server/grpc/status.h"

#include <spdlog/spdlog.h>

#include <new>
#include <string>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

using grpc::StatusCode;

// Clients receive at most 8 KiB of trailers, and characters beyond ASCII count three times.
constexpr size_t kMaxText = 2'000;

struct Row {
  StatusCode code;
  bool (*matches)(const std::exception*);
};

template <class E>
bool is(const std::exception* error) {
  return dynamic_cast<const E*>(error) != nullptr;
}

// The first row that matches holds; Error is the base of those before it.
constexpr Row kTable[] = {
    {StatusCode::INVALID_ARGUMENT, is<InvalidArgument>},
    {StatusCode::NOT_FOUND, is<NotFound>},
    {StatusCode::FAILED_PRECONDITION, is<FailedPrecondition>},
    {StatusCode::ALREADY_EXISTS, is<AlreadyExists>},
    {StatusCode::RESOURCE_EXHAUSTED, is<ResourceExhausted>},
    {StatusCode::RESOURCE_EXHAUSTED, is<OutOfMemory>},
    {StatusCode::RESOURCE_EXHAUSTED, is<std::bad_alloc>},
    {StatusCode::DATA_LOSS, is<DataLoss>},
    {StatusCode::ABORTED, is<Aborted>},
    {StatusCode::UNAVAILABLE, is<Unavailable>},
    {StatusCode::UNAVAILABLE, is<BackendUnavailable>},
    {StatusCode::UNAVAILABLE, is<DeviceLost>},
    {StatusCode::CANCELLED, is<Cancelled>},
    {StatusCode::INTERNAL, is<NumericalError>},
    {StatusCode::INTERNAL, is<DeviceError>},
    {StatusCode::INTERNAL, is<Error>},
    {StatusCode::INTERNAL, is<std::exception>},
};

grpc::Status status_of(const std::exception& error) {
  for (const Row& row : kTable) {
    if (!row.matches(&error)) continue;
    std::string text = error.what();
    if (is<std::bad_alloc>(&error)) text = "the server is out of memory; try again later";
    if (row.code == StatusCode::INTERNAL) {
      spdlog::error("{}", text);
    } else {
      spdlog::debug("{}", text);
    }
    return {row.code, text.substr(0, kMaxText)};
  }
  return {StatusCode::UNKNOWN, ""};
}

}  // namespace

grpc::Status status_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    return status_of(error);
  } catch (...) {
    spdlog::error("an exception that is none of ours");
    return {StatusCode::UNKNOWN, "an exception that is none of ours"};
  }
}

}  // namespace ncscope::server
