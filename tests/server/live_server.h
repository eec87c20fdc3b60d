// A server in this process, and a plain client of it that shows every message and status.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ncscope/v1/service.grpc.pb.h"
#include "server/server.h"
#include "tests/server/samples.h"
#include "tests/support/arrays.h"

namespace ncscope::testing {

using Stub = v1::NeuralCollapseService::Stub;

// Options for tests: free ports, the CPU, a folder.
server::ServerOptions test_options(const std::filesystem::path& data);

std::unique_ptr<Stub> connect(const std::string& address);

// A context that gives up after a minute, so that no test hangs.
std::unique_ptr<grpc::ClientContext> bounded_context();

// One Stream call.
class StreamCall {
 public:
  explicit StreamCall(Stub& stub);
  ~StreamCall();  // cancels unless finished

  // Each sends a message and waits for its answer; false, or nothing, where the call has ended.
  std::optional<v1::Opened> open(const v1::Open& open);
  std::optional<v1::Ack> batch(const v1::Batch& batch);
  std::optional<v1::Closed> close(uint64_t batches, bool partial = false);
  // Has no answer.
  bool chunk(const v1::ClassifierChunk& chunk);
  bool write(const v1::StreamRequest& request);

  // Ends the call and returns its status.
  grpc::Status finish();
  // The status of a call that the server ends by itself.
  grpc::Status wait_for_end();
  void cancel();

 private:
  std::optional<v1::StreamResponse> read();

  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::StreamRequest, v1::StreamResponse>> stream_;
  bool finished_ = false;
};

// The report of a series into `report`, waiting for it or not.
grpc::Status get_report(Stub& stub, const v1::SeriesKey& key, v1::Report& report,
                        bool wait = false);

// Streams all samples of a rank with the classifier and closes. The Closed, or the status in
// `status`; a failure of the test where there is none.
std::optional<v1::Closed> stream_all(Stub& stub, const v1::Open& open, const Samples& samples,
                                     size_t batch_rows, grpc::Status* status = nullptr);

// A failure of the test unless the status has this code and its text holds every one of `parts`.
void expect_status(const grpc::Status& status, grpc::StatusCode code,
                   const std::vector<std::string>& parts = {});

// A unary or one-message call by name, so that no generated code of the standard services is
// needed. Returns the bytes of the first answer.
std::optional<std::string> call_by_name(const std::string& address, const std::string& method,
                                        const std::string& request);

// What grpc.health.v1 answers: 1 SERVING, 2 NOT_SERVING, -1 nothing.
int health(const std::string& address);

class LiveServer {
 public:
  LiveServer() : LiveServer([](server::ServerOptions&) {}) {}
  explicit LiveServer(const std::function<void(server::ServerOptions&)>& change,
                      const server::ServerHooks& hooks = {});

  server::Server& server() { return *server_; }
  Stub& stub() { return *stub_; }
  const std::filesystem::path& folder() const { return folder_.path(); }

  grpc::Status get_report(const v1::SeriesKey& key, v1::Report& report, bool wait = false);
  // Streams samples to a report on the side, to compare with.
  v1::Report undisturbed(const Samples& samples, const v1::Open& open, size_t batch_rows);

 private:
  TemporaryFolder folder_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace ncscope::testing
