// Bounds what peers ask of gRPC where gRPC itself does not: header blocks, and calls in all.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "server/grpc/frame_watch.h"

namespace ncscope::server {

// The calls of one server, however many connections there are. gRPC takes a while to see to those
// that end before they are answered: they count for a second more.
class CallBound {
 public:
  using Clock = std::chrono::steady_clock;

  explicit CallBound(size_t most) : most_(most) {}

  void apply(const CallChanges& changes, Clock::time_point now);
  // So many calls end with their connection.
  void drop(size_t open, Clock::time_point now) { apply({.reset = open}, now); }
  // More than a server answers at once: the connection with the most is to end.
  bool too_many() const { return open_ > most_; }
  // They end faster than gRPC sees to them: no more may begin now.
  bool too_fast() const { return open_ + reset_ > 2 * most_; }

 private:
  const size_t most_;
  size_t open_ = 0;
  size_t reset_ = 0;  // since `second_` began
  Clock::time_point second_;
};

// From now on what gRPC reads from this socket and writes to it is watched, until it is closed. A
// connection ends, as if its peer had reset it, where a FrameWatch or `bound` says so.
void watch_socket(int fd, std::shared_ptr<CallBound> bound);

}  // namespace ncscope::server
