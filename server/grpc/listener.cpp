#include "server/grpc/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "kernels/errors.h"
#include "server/address.h"
#include "server/grpc/watched_sockets.h"

namespace ncscope::server {
namespace {

// What the server needs besides connections: spool files, the report store, HTTP.
constexpr size_t kOtherDescriptors = 512;

// Where the system states no limit.
constexpr rlim_t kMostDescriptors = 1 << 20;

// Until data that was sent is acknowledged, as gRPC's own listener has it with keepalive.
constexpr unsigned kUserTimeoutMs = 20'000;

// How often those that are closed are looked for, and the wait where nothing can be accepted.
constexpr int kLookMs = 1'000;
constexpr int kExhaustedMs = 20;

// At least a fourth of the descriptors are for connections, however few there are.
ConnectionCaps bounded(ConnectionCaps caps) {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return caps;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kMostDescriptors);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return caps;
  const size_t all = limit.rlim_cur;
  const size_t most = std::max(all / 4, all - std::min(all, kOtherDescriptors));
  if (most < caps.total) {
    spdlog::warn("{} descriptors: {} connections at most, not {}", all, most, caps.total);
  }
  caps.total = std::min(caps.total, most);
  return caps;
}

Descriptor open_spare() { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// What is accepted inherits all of this.
void set_options(int fd) {
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof(kUserTimeoutMs));
}

int port_of(int fd) {
  sockaddr_storage name = {};
  socklen_t size = sizeof(name);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<sockaddr_in&>(name).sin_port);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int Descriptor::release() { return std::exchange(fd_, -1); }

Listener::Listener(const std::string& address, const ConnectionCaps& caps,
                   ConnectionCounters& counters)
    : address_(address),
      counters_(counters),
      table_(bounded(caps)),
      calls_(std::make_shared<CallBound>(caps.calls)),
      wake_(::eventfd(0, EFD_CLOEXEC)),
      spare_(open_spare()) {
  const Address parsed = parse_address(address);
  port_ = parsed.port;
  bind_all(parsed.host);
  if (sockets_.empty() || wake_.get() < 0) {
    throw Error("cannot listen on " + address_ +
                ": the port is in use, or the address is not one of this machine");
  }
}

Listener::~Listener() { stop(); }

// A name may stand for several addresses: all of them get the port of the first.
void Listener::bind_all(const std::string& host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), "0", &hints, &found) != 0) return;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (listen_at(*at) || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) continue;
    sockets_.clear();  // taken by somebody else, on one of them
    return;
  }
}

bool Listener::listen_at(const addrinfo& at) {
  Descriptor socket(::socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return false;
  set_options(socket.get());
  sockaddr_storage name = {};
  std::copy_n(reinterpret_cast<const char*>(at.ai_addr), at.ai_addrlen,
              reinterpret_cast<char*>(&name));
  const auto port = htons(static_cast<uint16_t>(port_));
  if (at.ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(name).sin6_port = port;
  } else {
    reinterpret_cast<sockaddr_in&>(name).sin_port = port;
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), at.ai_addrlen) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return false;
  }
  port_ = port_of(socket.get());
  sockets_.push_back(std::move(socket));
  return true;
}

void Listener::start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { run(); });
}

void Listener::stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  thread_.join();
  sockets_.clear();
}

void Listener::run() {
  std::vector<pollfd> waits = {{wake_.get(), POLLIN, 0}};
  for (const Descriptor& socket : sockets_) waits.push_back({socket.get(), POLLIN, 0});
  while (waits[0].revents == 0) {
    if (::poll(waits.data(), waits.size(), kLookMs) == 0) table_.look();
    for (size_t i = 1; i < waits.size(); ++i) {
      if (waits[i].revents != 0) accept_all(waits[i].fd);
    }
    counters_.open = table_.size();
  }
}

void Listener::accept_all(int listener_fd) {
  // Now and then the thread looks whether it is to stop.
  for (int i = 0; i < 64; ++i) {
    if (!accept_one(listener_fd)) return;
  }
}

bool Listener::accept_one(int listener_fd) {
  sockaddr_storage name = {};
  socklen_t size = sizeof(name);
  Descriptor fd(::accept4(listener_fd, reinterpret_cast<sockaddr*>(&name), &size,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == EINTR || errno == ECONNABORTED) return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    return make_room();
  }
  const std::string peer = peer_name(name);
  if (!table_.has_room(peer)) {
    refuse(peer);
    return true;
  }
  table_.add(fd.get(), peer);
  watch_socket(fd.get(), calls_);
  ++counters_.accepted;
  take_(listener_fd, fd.release());
  return true;
}

// Descriptors or memory have run out: whoever waits is told so at once, by the end of the
// connection.
bool Listener::make_room() {
  refuse("descriptors or memory have run out");
  table_.look();
  spare_ = Descriptor();
  for (const Descriptor& socket : sockets_) {
    const Descriptor refused(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  spare_ = open_spare();
  ::poll(nullptr, 0, kExhaustedMs);
  return false;
}

void Listener::refuse(const std::string& peer) {
  if (counters_.refused++ % 1000 == 0) {
    spdlog::warn("a connection is refused ({}); {} are open, {} were refused so far", peer,
                 table_.size(), counters_.refused.load());
  }
}

}  // namespace ncscope::server
