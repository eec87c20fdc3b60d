// Which connections are open, and from where: caps on them, in all and for each peer.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>

namespace ncscope::server {

struct ConnectionCaps {
  size_t total = 4096;
  size_t per_peer = 1024;
  size_t calls = 3 * 1024;  // on all of them together
};

// The address of a peer without its port; one written in IPv6's way is that of IPv4.
std::string peer_name(const sockaddr_storage& address);

// Tells a socket from another one that gets its descriptor later; 0 where it is closed.
ino_t inode_of(int fd);

// Whoever owns a connection closes it without saying so: the table looks whether the descriptor is
// still that socket. Used by one thread.
class ConnectionTable {
 public:
  explicit ConnectionTable(const ConnectionCaps& caps) : caps_(caps) {}

  // Whether there is room for one more of this peer.
  bool has_room(const std::string& peer);
  // Counts a socket until it is closed.
  void add(int fd, const std::string& peer);
  size_t size() const { return sockets_.size(); }
  // Forgets those that are closed.
  void look();

 private:
  struct Socket {
    ino_t inode;
    std::string peer;
  };
  void forget(std::unordered_map<int, Socket>::iterator& at);

  const ConnectionCaps caps_;
  std::unordered_map<int, Socket> sockets_;  // by descriptor
  std::map<std::string, size_t> of_peer_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace ncscope::server
