// Addresses to listen on.
#pragma once

#include <string>

namespace ncscope::server {

struct Address {
  std::string host;  // without brackets
  int port = 0;
};

// "127.0.0.1:50051", "localhost:0", "[::1]:8080". Throws InvalidArgument.
Address parse_address(const std::string& text);
std::string format_address(const Address& address);

// Only this machine can reach it.
bool is_loopback(const Address& address);

}  // namespace ncscope::server
