#include "server/grpc/connection_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <cstring>

namespace ncscope::server {
namespace {

// In a flood every connection finds the table full.
constexpr std::chrono::milliseconds kBetweenLooks{20};

}  // namespace

ino_t inode_of(int fd) {
  struct stat status = {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

std::string peer_name(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof(v6));
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    ::inet_ntop(mapped ? AF_INET : AF_INET6,
                v6.sin6_addr.s6_addr + (mapped ? sizeof(in6_addr) - sizeof(in_addr) : 0), text,
                sizeof(text));
  }
  return text;
}

bool ConnectionTable::has_room(const std::string& peer) {
  const auto full = [&] {
    const auto found = of_peer_.find(peer);
    return sockets_.size() >= caps_.total ||
           (found != of_peer_.end() && found->second >= caps_.per_peer);
  };
  if (!full()) return true;
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < kBetweenLooks) return false;
  look();
  looked_ = now;
  return !full();
}

void ConnectionTable::add(int fd, const std::string& peer) {
  // The descriptor is a new one: whatever had that number is closed.
  if (auto before = sockets_.find(fd); before != sockets_.end()) forget(before);
  sockets_.emplace(fd, Socket{inode_of(fd), peer});
  ++of_peer_[peer];
}

void ConnectionTable::forget(std::unordered_map<int, Socket>::iterator& at) {
  const auto peer = of_peer_.find(at->second.peer);
  if (--peer->second == 0) of_peer_.erase(peer);
  at = sockets_.erase(at);
}

void ConnectionTable::look() {
  for (auto at = sockets_.begin(); at != sockets_.end();) {
    if (inode_of(at->first) == at->second.inode) {
      ++at;
    } else {
      forget(at);
    }
  }
}

}  // namespace ncscope::server
