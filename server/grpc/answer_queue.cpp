#include "server/grpc/answer_queue.h"

#include <algorithm>
#include <utility>

namespace ncscope::server {
namespace {

void merge(const v1::Ack& newer, v1::Ack& ack) {
  ack.set_received_sequence(std::max(ack.received_sequence(), newer.received_sequence()));
  if (!newer.has_durable_sequence()) return;
  ack.set_durable_sequence(std::max(ack.durable_sequence(), newer.durable_sequence()));
}

}  // namespace

void AnswerQueue::push(v1::StreamResponse&& response) {
  if (response.has_ack() && !answers_.empty() && answers_.back().has_ack()) {
    v1::Ack& last = *answers_.back().mutable_ack();
    // One that says only that more is durable needs no place of its own.
    const bool only_durable = last.received_sequence() == response.ack().received_sequence() &&
                              response.ack().has_durable_sequence();
    if (only_durable || answers_.size() >= kMostAcks) {
      merge(response.ack(), last);
      return;
    }
  }
  answers_.push_back(std::move(response));
}

std::optional<v1::StreamResponse> AnswerQueue::pop() {
  if (answers_.empty()) return std::nullopt;
  std::optional<v1::StreamResponse> first = std::move(answers_.front());
  answers_.pop_front();
  return first;
}

}  // namespace ncscope::server
