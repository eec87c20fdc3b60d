// grpc.health.v1, as load balancers ask it.
#include <gtest/gtest.h>

#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/live_server.h"

namespace ncscope::testing {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthTest : public ::testing::Test {
 protected:
  HealthTest()
      : stub_(Health::NewStub(grpc::CreateChannel(live_.server().grpc_address(),
                                                  grpc::InsecureChannelCredentials()))) {}
  static HealthCheckRequest about(const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    return request;
  }

  LiveServer live_;
  std::unique_ptr<Health::Stub> stub_;
};

TEST_F(HealthTest, ChecksTheServerAndItsService) {
  for (const char* service : {"", "ncscope.v1.NeuralCollapseService"}) {
    HealthCheckResponse response;
    const auto context = bounded_context();
    EXPECT_TRUE(stub_->Check(context.get(), about(service), &response).ok()) << service;
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING) << service;
  }
  HealthCheckResponse response;
  const auto context = bounded_context();
  expect_status(stub_->Check(context.get(), about("else"), &response), grpc::NOT_FOUND, {"else"});
}

TEST_F(HealthTest, WatchersHearOfTheEndAndEndWithIt) {
  const Samples samples = make_samples(90, 5, 3, DType::kFloat32, 1);
  StreamCall call(live_.stub());
  ASSERT_TRUE(call.open(open_for(samples)));
  const auto context = bounded_context(), other_context = bounded_context();
  const auto watch = stub_->Watch(context.get(), about(""));
  const auto other = stub_->Watch(other_context.get(), about("else"));
  HealthCheckResponse response;
  ASSERT_TRUE(other->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  std::thread stopper([&] { live_.server().stop(std::chrono::seconds(50), [] { return false; }); });
  EXPECT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  call.cancel();
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::UNAVAILABLE);
  stopper.join();
}

}  // namespace
}  // namespace ncscope::testing
