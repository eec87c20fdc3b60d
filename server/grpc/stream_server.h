// Serves Stream calls: one thread that receives and never blocks, workers that handle.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

#include "ncscope/v1/service.grpc.pb.h"
#include "server/core/counters.h"
#include "server/core/session.h"
#include "server/grpc/stream_call.h"
#include "server/receive/batch_pool.h"
#include "server/receive/receive_memory.h"
#include "server/receive/worker_pool.h"

namespace ncscope::server {

// Stream is taken from a completion queue, in bytes; all other calls are gRPC's to thread.
using RawStreamService =
    v1::NeuralCollapseService::WithRawMethod_Stream<v1::NeuralCollapseService::Service>;

struct StreamOptions {
  size_t max_message_bytes = 0;
  size_t receive_memory_bytes = 0;  // of messages that wait to be handled, all streams together
  size_t max_streams = 0;           // at once; each may take a worker
};

class StreamServer {
 public:
  // `queue` is of the server that serves `service`.
  StreamServer(RawStreamService& service, std::unique_ptr<grpc::ServerCompletionQueue> queue,
               SessionSource& sessions, const StreamOptions& options, ReceiveCounters& counters);
  ~StreamServer();

  // Once the server has been started.
  void start();
  // Once it has been shut down; returns when no call is left.
  void stop();

  // For the calls.
  const StreamOptions& options() const { return options_; }
  SessionSource& sessions() { return sessions_; }
  BatchPool& pool() { return pool_; }
  ReceiveMemory& memory() { return memory_; }
  WorkerPool& workers() { return workers_; }
  ReceiveCounters& counters() { return counters_; }
  void request(grpc::ServerContext& context, StreamCall::Stream& stream, StreamCall::Event* event);
  void call_begins();
  void call_ends(bool had_place);
  bool take_place();

 private:
  void run();

  RawStreamService& service_;
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  SessionSource& sessions_;
  const StreamOptions options_;
  ReceiveCounters& counters_;
  BatchPool pool_;
  ReceiveMemory memory_;
  WorkerPool workers_;
  std::mutex mutex_;
  std::condition_variable ended_;
  size_t calls_ = 0;   // that wait for a caller, too
  size_t places_ = 0;  // taken
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace ncscope::server
