// Accepts connections. gRPC's own listener accepts nothing more once descriptors have run out
// (CVE-2023-4785), and knows no bound on connections.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/core/counters.h"
#include "server/grpc/connection_table.h"

struct addrinfo;

namespace ncscope::server {

// A descriptor that is closed with it.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  int release();

 private:
  int fd_;
};

class CallBound;

class Listener {
 public:
  // Takes over a connected, non-blocking socket.
  using Take = std::function<void(int listener_fd, int fd)>;

  // Binds host:port, port 0 taking a free one, and raises the limit of descriptors as far as the
  // system lets it. Throws Error where the address cannot be bound.
  Listener(const std::string& address, const ConnectionCaps& caps, ConnectionCounters& counters);
  ~Listener();

  int port() const { return port_; }
  void start(Take take);
  // Accepts no more.
  void stop();

 private:
  void bind_all(const std::string& host);
  bool listen_at(const addrinfo& at);
  void run();
  void accept_all(int listener_fd);
  // False where nothing more can be accepted now.
  bool accept_one(int listener_fd);
  void refuse(const std::string& peer);
  bool make_room();

  const std::string address_;
  ConnectionCounters& counters_;
  ConnectionTable table_;
  const std::shared_ptr<CallBound> calls_;
  Take take_;
  int port_ = 0;
  std::vector<Descriptor> sockets_;
  Descriptor wake_;
  Descriptor spare_;  // closed where descriptors have run out, to accept one more and close it
  std::thread thread_;
};

}  // namespace ncscope::server
