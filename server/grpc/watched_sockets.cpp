#include "server/grpc/watched_sockets.h"

#include <dlfcn.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/grpc/connection_table.h"

namespace ncscope::server {
namespace {

using Clock = CallBound::Clock;

// Visits the first so many bytes of a message.
template <class Visit>
void for_each_part(const msghdr& message, size_t bytes, const Visit& visit) {
  for (size_t i = 0; i < message.msg_iovlen && bytes > 0; ++i) {
    const iovec& part = message.msg_iov[i];
    const size_t size = std::min(part.iov_len, bytes);
    bytes -= size;
    visit(std::span(static_cast<const std::byte*>(part.iov_base), size));
  }
}

// By descriptor; thread-safe.
class WatchedSockets {
 public:
  void add(int fd, std::shared_ptr<CallBound> bound) {
    const std::lock_guard lock(mutex_);
    forget(fd);
    sockets_.emplace(fd, Socket{inode_of(fd), std::move(bound)});
  }

  // False where the connection is to end.
  bool received(int fd, const msghdr& message, size_t bytes) {
    const std::lock_guard lock(mutex_);
    Socket* socket = find(fd);
    if (socket == nullptr) return true;
    CallChanges changes;
    for_each_part(message, bytes, [&](std::span<const std::byte> part) {
      if (!socket->ended && !socket->frames.received(part, changes)) end(*socket, "headers");
    });
    if (!socket->ended) apply(*socket, changes);
    return !socket->ended;
  }

  void sent(int fd, const msghdr& message, size_t bytes) {
    const std::lock_guard lock(mutex_);
    Socket* socket = find(fd);
    if (socket == nullptr || socket->ended) return;
    CallChanges changes;
    for_each_part(message, bytes,
                  [&](std::span<const std::byte> part) { socket->frames.sent(part, changes); });
    apply(*socket, changes);
  }

 private:
  struct Socket {
    ino_t inode;
    std::shared_ptr<CallBound> bound;
    FrameWatch frames{};
    size_t calls = 0;
    bool ended = false;
  };

  Socket* find(int fd) {
    const auto found = sockets_.find(fd);
    if (found == sockets_.end()) return nullptr;
    return found->second.inode == inode_of(fd) ? &found->second : nullptr;
  }

  void forget(int fd) {
    const auto found = sockets_.find(fd);
    if (found == sockets_.end()) return;
    found->second.bound->drop(found->second.calls, Clock::now());
    sockets_.erase(found);
  }

  void forget_closed() {
    std::vector<int> closed;
    for (const auto& [fd, socket] : sockets_) {
      if (socket.inode != inode_of(fd)) closed.push_back(fd);
    }
    for (const int fd : closed) forget(fd);
  }

  void apply(Socket& socket, const CallChanges& changes) {
    CallBound& bound = *socket.bound;
    socket.calls += changes.begun;
    socket.calls -= changes.answered + changes.reset;
    bound.apply(changes, Clock::now());
    if (changes.begun == 0) return;
    if (bound.too_many()) forget_closed();
    if (bound.too_fast()) end(socket, "calls that end early");
    while (bound.too_many()) end_largest(bound);
  }

  void end_largest(const CallBound& bound) {
    const auto calls = [&](const auto& entry) {
      return entry.second.bound.get() == &bound ? entry.second.calls : 0;
    };
    const auto largest =
        std::max_element(sockets_.begin(), sockets_.end(),
                         [&](const auto& a, const auto& b) { return calls(a) < calls(b); });
    end(largest->second, "calls");
    // Nothing more may come from it.
    if (inode_of(largest->first) == largest->second.inode) ::shutdown(largest->first, SHUT_RDWR);
  }

  void end(Socket& socket, const char* what) {
    socket.ended = true;
    socket.bound->drop(std::exchange(socket.calls, 0), Clock::now());
    if (ended_++ % 1000 != 0) return;
    spdlog::warn("a connection is ended: too many {}; {} were ended so far", what, ended_);
  }

  std::mutex mutex_;
  std::unordered_map<int, Socket> sockets_;
  size_t ended_ = 0;
};

// Never destroyed: threads of gRPC may outlast static objects.
WatchedSockets& watched() {
  static WatchedSockets& all = *new WatchedSockets;
  return all;
}

}  // namespace

void CallBound::apply(const CallChanges& changes, Clock::time_point now) {
  if (now - second_ > std::chrono::seconds(1)) {
    second_ = now;
    reset_ = 0;
  }
  open_ += changes.begun;
  open_ -= changes.answered + changes.reset;
  reset_ += changes.reset;
}

void watch_socket(int fd, std::shared_ptr<CallBound> bound) { watched().add(fd, std::move(bound)); }

}  // namespace ncscope::server

// These stand before the C library's, for gRPC too, which reads and writes sockets by nothing else:
// so frames are seen where they pass, without a copy of them.
extern "C" {

__attribute__((visibility("default"))) ssize_t recvmsg(int fd, msghdr* message, int flags) {
  using Function = ssize_t (*)(int, msghdr*, int);
  static const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "recvmsg"));
  const ssize_t bytes = next(fd, message, flags);
  if (bytes <= 0 || (flags & (MSG_PEEK | MSG_ERRQUEUE)) != 0) return bytes;
  try {
    if (ncscope::server::watched().received(fd, *message, static_cast<size_t>(bytes))) return bytes;
  } catch (...) {  // no memory to follow it any more
  }
  errno = ECONNRESET;
  return -1;
}

__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  using Function = ssize_t (*)(int, const msghdr*, int);
  static const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "sendmsg"));
  const ssize_t bytes = next(fd, message, flags);
  if (bytes <= 0) return bytes;
  try {
    ncscope::server::watched().sent(fd, *message, static_cast<size_t>(bytes));
  } catch (...) {  // its calls count for longer than they are open
  }
  return bytes;
}
}
