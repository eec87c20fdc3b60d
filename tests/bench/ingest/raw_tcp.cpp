// The ceiling: the same bytes over a TCP connection and nothing else. The server receives into an
// aligned ring, or, as `copy`, into a buffer that it then copies to the ring, and acknowledges each
// batch with a byte.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "tests/bench/ingest/pipe.h"

namespace ncscope::bench {
namespace {

constexpr size_t kSlots = 2;  // of each connection: as few as can be, so that caches help
constexpr size_t kReadBytes = size_t{256} << 10;
constexpr size_t kPage = 4096;

struct Header {
  uint64_t batch_bytes;
  uint64_t batches;
  uint64_t copy;
};

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    if (fd < 0) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

  // What came, at least one byte.
  size_t read_some(void* out, size_t bytes) const {
    const ssize_t got = recv(fd_, out, bytes, 0);
    if (got <= 0) throw std::runtime_error("recv: the connection ended");
    return static_cast<size_t>(got);
  }
  void read(void* out, size_t bytes) const {
    for (size_t done = 0; done < bytes;) {
      done += read_some(static_cast<char*>(out) + done, bytes - done);
    }
  }
  void write(std::array<iovec, 2> parts) const {
    for (size_t first = 0; first < parts.size();) {
      const ssize_t sent =
          writev(fd_, parts.data() + first, static_cast<int>(parts.size() - first));
      if (sent < 0) throw std::runtime_error(std::string("writev: ") + std::strerror(errno));
      size_t left = static_cast<size_t>(sent);
      while (first < parts.size() && left >= parts[first].iov_len) left -= parts[first++].iov_len;
      if (first == parts.size()) break;
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + left;
      parts[first].iov_len -= left;
    }
  }

 private:
  int fd_;
};

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<char, Free>;

Memory aligned(size_t bytes) {
  Memory memory(static_cast<char*>(std::aligned_alloc(kPage, bytes)));
  if (!memory) throw std::bad_alloc();
  std::memset(memory.get(), 0, bytes);
  return memory;
}

void receive_batch(const Socket& socket, size_t bytes, char* slot, char* buffer, bool copy) {
  if (!copy) return socket.read(slot, bytes);
  for (size_t done = 0; done < bytes;) {
    const size_t got = socket.read_some(buffer, std::min(kReadBytes, bytes - done));
    std::memcpy(slot + done, buffer, got);
    done += got;
  }
}

void serve(const Socket& socket) {
  Header header;
  socket.read(&header, sizeof header);
  const size_t slot_bytes = (header.batch_bytes + kPage - 1) / kPage * kPage;
  const Memory memory = aligned(kSlots * slot_bytes);
  const Memory buffer = aligned(kReadBytes);
  const char ready = 1;
  send(socket.fd(), &ready, 1, MSG_NOSIGNAL);
  for (uint64_t i = 0; i < header.batches; ++i) {
    receive_batch(socket, header.batch_bytes, memory.get() + i % kSlots * slot_bytes, buffer.get(),
                  header.copy != 0);
    send(socket.fd(), &ready, 1, MSG_NOSIGNAL);
  }
}

int run_server() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener, 64) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error(std::string("listen: ") + std::strerror(errno));
  }
  std::thread([listener] {
    while (true) {
      std::thread([socket = Socket(accept(listener, nullptr, nullptr))] {
        try {
          serve(socket);
        } catch (const std::exception& error) {
          std::fprintf(stderr, "raw_tcp: %s\n", error.what());
        }
      }).detach();
    }
  }).detach();
  serve_pipe(ntohs(address.sin_port));
  std::_Exit(0);
}

Socket connect_to(int port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  return socket;
}

Stream connect_stream(int port, bool copy, const Load& load, std::shared_ptr<const Source> source) {
  auto socket = std::make_shared<Socket>(connect_to(port));
  const Header header{load.wire_bytes(), load.batches_per_stream, copy};
  send(socket->fd(), &header, sizeof header, MSG_NOSIGNAL);
  char ready;
  socket->read(&ready, 1);
  return [socket, load, source] {
    for (size_t i = 0; i < load.batches_per_stream; ++i) {
      const Source::Batch& batch = source->batch(i);
      socket->write({iovec{const_cast<int64_t*>(batch.labels.data()), batch.labels.size() * 8},
                     iovec{const_cast<float*>(batch.features.data()), load.batch_bytes}});
    }
    std::string acknowledgements(load.batches_per_stream, 0);
    socket->read(acknowledgements.data(), acknowledgements.size());
  };
}

}  // namespace
}  // namespace ncscope::bench

int main(int argc, char** argv) {
  using namespace ncscope::bench;
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "server") return run_server();
  if (argc != 3 || (mode != "client" && mode != "copy")) {
    std::fprintf(stderr, "usage: %s server | client PORT | copy PORT\n", argv[0]);
    return 2;
  }
  const int port = std::atoi(argv[2]);
  return client_pipe([&](size_t, const Load& load, std::shared_ptr<const Source> source) {
    return connect_stream(port, mode == "copy", load, std::move(source));
  });
}
