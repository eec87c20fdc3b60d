// The answers of a call that are not written yet.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "ncscope/v1/service.pb.h"

namespace ncscope::server {

// Bounded, however slow the caller is to read: an Ack says everything that those before it said.
class AnswerQueue {
 public:
  // Beyond so many an Ack takes the place of the one before it.
  static constexpr size_t kMostAcks = 16;

  void push(v1::StreamResponse&& response);
  // The oldest one, which is then taken.
  std::optional<v1::StreamResponse> pop();
  void clear() { answers_.clear(); }
  bool empty() const { return answers_.empty(); }

 private:
  std::deque<v1::StreamResponse> answers_;
};

}  // namespace ncscope::server
