// A server in this process that does what a test tells it to: to fail at a given point.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ncscope/v1/service.grpc.pb.h"

namespace ncscope::testing {

// How one Stream call goes.
struct CallScript {
  std::optional<uint64_t> next_sequence;  // answer to Open; absent: what was received so far
  std::optional<uint64_t> end_after;      // batches after which the call ends with `status`
  grpc::Status status = grpc::Status::OK;
  bool end_at_open = false;         // the same when Open comes
  bool end_at_close = false;        // the same when Close comes
  bool answer_open = true;          // false: waits until the caller gives up
  bool acknowledge = true;          // false: only by acknowledge_all()
  bool tells_durable = false;       // says at the start that it will; so it does with the next one
  std::optional<uint64_t> durable;  // highest number that an Ack says is durable; absent: none
};

class ScriptedServer final : public v1::NeuralCollapseService::Service {
 public:
  ScriptedServer();
  ~ScriptedServer() override;

  // The next call without a script goes well.
  void next_call(CallScript script);

  const std::string& address() const { return address_; }
  void shut_down();
  // How calls other than Stream end.
  void end_others_with(grpc::Status status);
  // Acknowledges what the present call has received.
  void acknowledge_all();
  // Says that it is durable.
  void make_all_durable();

  // What came, all calls together.
  std::vector<v1::Batch> batches() const;
  std::vector<v1::ClassifierChunk> chunks() const;
  std::vector<v1::Open> opens() const;
  std::optional<v1::Close> close() const;
  uint64_t most_unacknowledged() const;
  uint64_t most_not_durable() const;

  grpc::Status Stream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>* stream) override;

  grpc::Status GetReport(grpc::ServerContext*, const v1::GetReportRequest*,
                         v1::GetReportResponse*) override {
    return end_of_others();
  }
  grpc::Status WatchReports(grpc::ServerContext*, const v1::WatchReportsRequest*,
                            grpc::ServerWriter<v1::WatchReportsResponse>*) override {
    return end_of_others();
  }
  grpc::Status GetStatistics(grpc::ServerContext*, const v1::GetStatisticsRequest*,
                             grpc::ServerWriter<v1::GetStatisticsResponse>*) override {
    return end_of_others();
  }
  grpc::Status PutStatistics(grpc::ServerContext*, grpc::ServerReader<v1::PutStatisticsRequest>*,
                             v1::PutStatisticsResponse*) override {
    return end_of_others();
  }

 private:
  CallScript take_script();
  grpc::Status end_of_others() const;
  grpc::Status run_call(const CallScript& script, grpc::ServerContext& context,
                        grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>& stream);

  mutable std::mutex mutex_;
  std::deque<CallScript> scripts_;
  std::vector<v1::Batch> batches_;
  std::vector<v1::ClassifierChunk> chunks_;
  std::vector<v1::Open> opens_;
  std::optional<v1::Close> close_;
  uint64_t next_sequence_ = 0;
  uint64_t unacknowledged_ = 0;
  uint64_t most_unacknowledged_ = 0;
  uint64_t durable_ = 0;  // batches, as the present call was told
  uint64_t most_not_durable_ = 0;
  grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>* present_call_ = nullptr;
  std::string address_;
  grpc::Status others_ = grpc::Status::OK;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace ncscope::testing
