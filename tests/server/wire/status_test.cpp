// The status table, walked through a live server: a handler throws, a client sees the code.
#include "server/grpc/status.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "server/core/errors.h"
#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

struct Case {
  std::function<void()> thrower;
  grpc::StatusCode code;
  std::string text = "the text";
};

template <class E>
std::function<void()> throwing() {
  return [] { throw E("the text"); };
}

const std::map<std::string, Case>& cases() {
  static const std::map<std::string, Case> all = {
      {"InvalidArgument", {throwing<InvalidArgument>(), grpc::INVALID_ARGUMENT}},
      {"NotFound", {throwing<server::NotFound>(), grpc::NOT_FOUND}},
      {"FailedPrecondition", {throwing<server::FailedPrecondition>(), grpc::FAILED_PRECONDITION}},
      {"AlreadyExists", {throwing<server::AlreadyExists>(), grpc::ALREADY_EXISTS}},
      {"ResourceExhausted", {throwing<server::ResourceExhausted>(), grpc::RESOURCE_EXHAUSTED}},
      {"OutOfMemory", {throwing<OutOfMemory>(), grpc::RESOURCE_EXHAUSTED}},
      {"bad_alloc", {[] { throw std::bad_alloc(); }, grpc::RESOURCE_EXHAUSTED, "try again later"}},
      {"DataLoss", {throwing<DataLoss>(), grpc::DATA_LOSS}},
      {"Aborted", {throwing<server::Aborted>(), grpc::ABORTED}},
      {"Unavailable", {throwing<server::Unavailable>(), grpc::UNAVAILABLE}},
      {"BackendUnavailable", {throwing<BackendUnavailable>(), grpc::UNAVAILABLE}},
      {"Cancelled", {throwing<server::Cancelled>(), grpc::CANCELLED}},
      {"NumericalError", {throwing<NumericalError>(), grpc::INTERNAL}},
      {"DeviceLost", {throwing<DeviceLost>(), grpc::UNAVAILABLE}},
      {"DeviceError", {throwing<DeviceError>(), grpc::INTERNAL}},
      {"Error", {throwing<Error>(), grpc::INTERNAL}},
      {"logic_error", {throwing<std::logic_error>(), grpc::INTERNAL}},
      {"int", {[] { throw 1; }, grpc::UNKNOWN, "none of ours"}},
      {"Long",
       {[] { throw InvalidArgument(std::string(100'000, 'x')); }, grpc::INVALID_ARGUMENT,
        std::string(2'000, 'x')}},
  };
  return all;
}

// Throws what the name of the run says.
class ThrowingService final : public v1::NeuralCollapseService::Service {
  grpc::Status ListReports(grpc::ServerContext* /*context*/, const v1::ListReportsRequest* request,
                           v1::ListReportsResponse* /*response*/) override {
    return server::guarded([&] { cases().at(request->run()).thrower(); });
  }
};

TEST(Status, EveryCauseHasItsCodeOnTheWire) {
  ThrowingService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const auto stub = connect("127.0.0.1:" + std::to_string(port));
  for (const auto& [name, expected] : cases()) {
    SCOPED_TRACE(name);
    v1::ListReportsRequest request;
    request.set_run(name);
    v1::ListReportsResponse response;
    expect_status(stub->ListReports(bounded_context().get(), request, &response), expected.code,
                  {expected.text});
  }
  server->Shutdown();
}

}  // namespace
}  // namespace ncscope::testing
