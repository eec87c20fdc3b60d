// One Stream call: what is being read, what waits to be handled, what is to be answered.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "server/grpc/answer_queue.h"
#include "server/grpc/stream_handler.h"
#include "server/grpc/stream_message.h"

namespace ncscope::server {

class StreamServer;

// The thread of the completion queue tells it of events; its messages are handled one after the
// other by a worker, which is the only one that may block. It lives while an event or the worker is
// outstanding.
class StreamCall : public std::enable_shared_from_this<StreamCall> {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  // An operation of gRPC's and who is told of its end: what the completion queue's tags point to.
  struct Event {
    StreamCall* const call;
    void (StreamCall::*const ended)(bool ok);
  };

  explicit StreamCall(StreamServer& server);

  // Waits for a caller, and then for the next one by another call.
  static void wait_for_caller(StreamServer& server);

 private:
  class Lock;

  // Counts the call, as long as anything of it is left.
  class Presence {
   public:
    explicit Presence(StreamServer& server);
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;
    ~Presence();
    // False where there are too many streams.
    bool take_place();

   private:
    StreamServer& server_;
    bool has_place_ = false;
  };

  // Ends of operations, told by the queue's thread.
  void on_called(bool ok);
  void on_read(bool ok);
  void on_written(bool ok);
  void on_finished(bool ok);
  void on_gone(bool ok);

  // The next ones are called with the lock held.
  Event* begin(Event& event);
  bool may_read() const;
  void read_more();
  // False where the message has to wait for memory.
  bool take_memory(std::unique_ptr<StreamMessage>& message);
  void queue(std::unique_ptr<StreamMessage> message);
  void drop_unhandled(Lock& lock);
  bool has_work() const { return !status_ && (!queued_.empty() || ended_ || over_); }
  void start_worker();
  void write_more();
  void conclude(Lock& lock, const grpc::Status& status);

  // Of the queue's thread.
  StreamMessage& read_message();

  // By any thread.
  void on_memory(ReceiveMemory::Lease lease);
  void answer(v1::StreamResponse&& response);
  void stop();

  // Of the worker.
  void work();
  // Null: the caller has sent everything, or is gone, or the session is over.
  std::unique_ptr<StreamMessage> next_message(bool& cancelled);
  void handle(std::unique_ptr<StreamMessage> message);
  void end_session(const grpc::Status& status);

  Presence presence_;  // first: ends last
  StreamServer& server_;
  StreamHandler handler_;
  grpc::ServerContext context_;
  Stream stream_{&context_};
  Event called_{this, &StreamCall::on_called};
  Event read_{this, &StreamCall::on_read};
  Event written_{this, &StreamCall::on_written};
  Event finished_{this, &StreamCall::on_finished};
  Event gone_{this, &StreamCall::on_gone};

  std::mutex mutex_;
  std::shared_ptr<StreamCall> self_;  // while `outstanding_` is not 0
  size_t outstanding_ = 0;            // events, and the worker

  std::unique_ptr<StreamMessage> reading_;  // what a Read fills
  std::unique_ptr<StreamMessage> waiting_;  // for memory
  std::optional<BatchSpec> spec_;           // once the call is open
  bool opening_ = false;                    // the first message has come, the session has not
  bool ended_ = false;                      // nothing more comes
  bool cancelled_ = false;
  bool over_ = false;  // the session

  std::deque<std::unique_ptr<StreamMessage>> queued_;
  size_t held_messages_ = 0;  // queued, or being handled
  size_t held_bytes_ = 0;     // of their leases
  bool working_ = false;

  AnswerQueue answers_;
  bool writing_ = false;
  bool broken_ = false;                 // an answer did not reach the caller
  std::optional<grpc::Status> status_;  // how the call ends, once that is certain
  bool finishing_ = false;
};

}  // namespace ncscope::server
