#include "server/grpc/stream.h"

#include <memory>
#include <string>

#include "server/core/errors.h"
#include "server/grpc/messages.h"

namespace ncscope::server {
namespace {

using Stream = grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>;

[[noreturn]] void caller_gone(const char* call) {
  throw Cancelled(std::string(call) + ": the caller is gone");
}

void answer(Stream& stream, const v1::StreamResponse& response) {
  if (!stream.Write(response)) caller_gone("Stream");
}

std::unique_ptr<Session> open_session(SessionSource& sessions, size_t max_message_bytes,
                                      grpc::ServerContext& context, Stream& stream) {
  v1::StreamRequest request;
  if (!stream.Read(&request)) {
    if (context.IsCancelled()) caller_gone("Stream");
    throw FailedPrecondition("Stream: expected Open, got the end of the call");
  }
  if (!request.has_open()) {
    throw FailedPrecondition("Stream: expected Open as the first message of a call");
  }
  auto session = sessions.open(request.open());
  v1::StreamResponse response;
  v1::Opened& opened = *response.mutable_opened();
  opened.set_next_sequence(session->next_sequence());
  opened.set_max_message_bytes(max_message_bytes);
  opened.set_server_version(NCSCOPE_VERSION);
  answer(stream, response);
  return session;
}

// True after Close.
bool serve_message(Session& session, const v1::StreamRequest& request, Stream& stream) {
  v1::StreamResponse response;
  switch (request.message_case()) {
    case v1::StreamRequest::kBatch:
      response.mutable_ack()->set_received_sequence(
          session.add_batch(incoming_batch(request.batch(), session.batch_spec())));
      if (const auto durable = session.durable_sequence()) {
        response.mutable_ack()->set_durable_sequence(*durable);
      }
      answer(stream, response);
      return false;
    case v1::StreamRequest::kClassifier:
      session.add_classifier(incoming_part(request.classifier()));
      return false;
    case v1::StreamRequest::kClose:
      write_closed(session.close(request.close().batches(), request.close().partial()),
                   *response.mutable_closed());
      answer(stream, response);
      return true;
    case v1::StreamRequest::kOpen:
      throw FailedPrecondition(
          "Stream: expected Batch, ClassifierChunk or Close, got a second"
          " Open");
    case v1::StreamRequest::MESSAGE_NOT_SET:
      break;
  }
  throw InvalidArgument("Stream: expected Batch, ClassifierChunk or Close, got an empty message");
}

}  // namespace

void serve_stream(SessionSource& sessions, size_t max_message_bytes, grpc::ServerContext& context,
                  Stream& stream) {
  const auto session = open_session(sessions, max_message_bytes, context, stream);
  v1::StreamRequest request;
  while (stream.Read(&request)) {
    if (serve_message(*session, request, stream)) return;
  }
  if (context.IsCancelled()) caller_gone("Stream");
  throw FailedPrecondition(
      "Stream: expected Close, got the end of the call; what came is kept, a"
      " new call goes on at batch " +
      std::to_string(session->next_sequence()));
}

CloseResult receive_statistics(Engine& engine, grpc::ServerContext& context,
                               grpc::ServerReader<v1::PutStatisticsRequest>& reader) {
  v1::PutStatisticsRequest request;
  if (!reader.Read(&request) || !request.has_open()) {
    if (context.IsCancelled()) caller_gone("PutStatistics");
    throw FailedPrecondition("PutStatistics: expected Open as the first message of a call");
  }
  StateUpload upload(engine, request.open());
  while (reader.Read(&request)) {
    if (request.has_header()) {
      upload.header(request.header());
    } else if (request.has_block()) {
      upload.block(request.block());
    } else {
      throw FailedPrecondition("PutStatistics: expected a header, then blocks");
    }
  }
  if (context.IsCancelled()) caller_gone("PutStatistics");
  return upload.finish();
}

void send_statistics(const StatisticsBundle& bundle,
                     grpc::ServerWriter<v1::GetStatisticsResponse>& writer) {
  v1::GetStatisticsResponse response;
  const auto send = [&] {
    if (!writer.Write(response)) caller_gone("GetStatistics");
  };
  write_statistics(
      bundle,
      [&](const v1::StatisticsHeader& header) {
        *response.mutable_header() = header;
        send();
      },
      [&](const v1::StatisticsBlock& block) {
        *response.mutable_block() = block;
        send();
      });
}

}  // namespace ncscope::server
