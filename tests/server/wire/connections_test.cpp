// Connections beyond the caps, and descriptors that run out.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "server/address.h"
#include "server/grpc/listener.h"
#include "tests/server/live_server.h"
#include "tests/server/server_process.h"

namespace ncscope::testing {
namespace {

using server::ConnectionCaps;
using server::ConnectionCounters;
using server::ConnectionTable;
using server::Descriptor;
using server::Listener;

constexpr std::chrono::seconds kPatience{20};

Descriptor new_socket() { return Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool connect_to(const Descriptor& socket, int port) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(port));
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

std::vector<Descriptor> flood(int port, size_t count) {
  std::vector<Descriptor> sockets;
  for (size_t i = 0; i < count; ++i) {
    sockets.push_back(new_socket());
    EXPECT_TRUE(connect_to(sockets.back(), port));
  }
  return sockets;
}

// Whether the other side closes it within the time.
bool is_closed(const Descriptor& socket, int wait_ms) {
  pollfd wait = {socket.get(), POLLIN, 0};
  char byte = 0;
  while (::poll(&wait, 1, wait_ms) > 0) {
    if (::recv(socket.get(), &byte, 1, 0) <= 0) return true;
  }
  return false;
}

size_t count_closed(const std::vector<Descriptor>& sockets, int wait_ms) {
  size_t closed = 0;
  for (const Descriptor& socket : sockets) closed += is_closed(socket, wait_ms) ? 1 : 0;
  return closed;
}

template <class Holds>
bool eventually(const Holds& holds) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// A new client streams, if need be after some tries.
bool is_served(const std::string& address, const std::string& run) {
  const Samples samples = make_samples(40, 5, 3, DType::kFloat32, 1);
  return eventually([&] {
    grpc::Status status;
    return stream_all(*connect(address), open_for(samples, run), samples, 20, &status).has_value();
  });
}

TEST(Connections, PeersAreToldApartByAddress) {
  sockaddr_storage storage = {};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  v4.sin_family = AF_INET;
  ::inet_pton(AF_INET, "10.1.2.3", &v4.sin_addr);
  EXPECT_EQ(server::peer_name(storage), "10.1.2.3");
  storage = {};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  v6.sin6_family = AF_INET6;
  ::inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
  EXPECT_EQ(server::peer_name(storage), "2001:db8::1");
  ::inet_pton(AF_INET6, "::ffff:10.1.2.3", &v6.sin6_addr);
  EXPECT_EQ(server::peer_name(storage), "10.1.2.3");
}

TEST(Connections, TheTableCountsSocketsUntilTheyAreClosed) {
  ConnectionTable table({.total = 4, .per_peer = 2});
  std::vector<Descriptor> sockets;
  const auto add = [&](const std::string& peer) {
    if (!table.has_room(peer)) return false;
    sockets.push_back(new_socket());
    table.add(sockets.back().get(), peer);
    return true;
  };
  EXPECT_TRUE(add("a"));
  EXPECT_TRUE(add("a"));
  EXPECT_FALSE(add("a"));
  EXPECT_TRUE(add("b"));
  EXPECT_TRUE(add("c"));
  EXPECT_FALSE(add("d"));
  EXPECT_EQ(table.size(), 4u);
  const int fd = sockets[0].get();
  sockets.erase(sockets.begin());
  const Descriptor other = new_socket();  // under the same number
  EXPECT_EQ(other.get(), fd);
  table.look();
  EXPECT_EQ(table.size(), 3u);
  EXPECT_TRUE(add("a"));
  EXPECT_FALSE(add("a"));
  sockets.clear();
  table.look();
  EXPECT_EQ(table.size(), 0u);
}

TEST(Connections, BeyondTheCapsAreRefusedAndTheNextClientIsServed) {
  LiveServer live([](server::ServerOptions& o) {
    o.max_connections = 8;
    o.max_connections_per_peer = 6;
  });
  const std::string address = live.server().grpc_address();
  const Samples samples = make_samples(40, 5, 3, DType::kFloat32, 1);
  StreamCall before(live.stub());
  ASSERT_TRUE(before.open(open_for(samples, "before")));
  const auto& counters = live.server().engine().services().counters.connections;
  {
    const auto sockets = flood(server::parse_address(address).port, 30);
    ASSERT_TRUE(eventually([&] { return counters.refused >= 24u; }));
    EXPECT_GE(count_closed(sockets, 100), 24u);
    EXPECT_TRUE(before.batch(batch_of(samples, 0, 0, 40)));
  }
  EXPECT_TRUE(is_served(address, "after"));
  EXPECT_TRUE(before.close(1));
  EXPECT_TRUE(eventually([&] { return counters.open <= 2; }));
}

TEST(Connections, OnesThatSayNothingAreClosed) {
  LiveServer live([](server::ServerOptions& o) { o.max_connections = 4; });
  const std::string address = live.server().grpc_address();
  // One connection is the test's own.
  const auto silent = flood(server::parse_address(address).port, 3);
  EXPECT_TRUE(is_served(address, "after"));
  EXPECT_EQ(count_closed(silent, 20'000), 3u);
}

TEST(Connections, AFloodBeyondTheDescriptorsEndsAndTheServerServes) {
  TemporaryFolder folder;
  ServerProcess process(folder.path(), ServerProcess::serving(folder.path()), {}, "ulimit -n 128");
  const std::string address = process.grpc_address();
  {
    const auto sockets = flood(server::parse_address(address).port, 500);
    // All but a fourth of the descriptors.
    EXPECT_TRUE(eventually([&] { return count_closed(sockets, 0) >= 500 - 128; }));
  }
  EXPECT_TRUE(is_served(address, "after"));
  EXPECT_THAT(process.output(), ::testing::HasSubstr("a connection is refused (127.0.0.1)"));
}

class OpenFiles {
 public:
  OpenFiles() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~OpenFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  // No descriptor from `first` on.
  void limit(int first) {
    rlimit less = before_;
    less.rlim_cur = static_cast<rlim_t>(first);
    ::setrlimit(RLIMIT_NOFILE, &less);
  }

 private:
  rlimit before_ = {};
};

TEST(Connections, TheListenerGoesOnWhenDescriptorsHaveRunOut) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan opens a pipe to look whether memory is readable, and takes it for damaged"
                  " where there is no descriptor left";
#endif
  ConnectionCounters counters;
  Listener listener("127.0.0.1:0", {}, counters);
  std::mutex mutex;
  std::vector<Descriptor> taken;
  listener.start([&](int, int fd) {
    const std::lock_guard lock(mutex);
    taken.emplace_back(fd);
  });
  std::vector<Descriptor> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(new_socket());
  OpenFiles files;
  files.limit(clients.back().get() + 10);
  for (const Descriptor& client : clients) EXPECT_TRUE(connect_to(client, listener.port()));
  EXPECT_TRUE(eventually([&] { return count_closed(clients, 0) >= 20; }));
  {
    const std::lock_guard lock(mutex);
    EXPECT_GE(taken.size(), 1u);
    EXPECT_LE(taken.size(), 20u);
    taken.clear();
  }
  clients.clear();
  const Descriptor next = new_socket();
  EXPECT_TRUE(connect_to(next, listener.port()));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !taken.empty();
  }));
  EXPECT_FALSE(is_closed(next, 100));
  listener.stop();
}

}  // namespace
}  // namespace ncscope::testing
