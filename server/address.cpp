#include "server/address.h"

#include <charconv>

#include "kernels/errors.h"

namespace ncscope::server {

Address parse_address(const std::string& text) {
  const auto refuse = [&]() -> Address {
    throw InvalidArgument("expected an address such as 127.0.0.1:50051, got '" + text + "'");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return refuse();
  Address address{text.substr(0, colon), 0};
  const bool bracketed = address.host.front() == '[' && address.host.back() == ']';
  if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
  if (address.host.empty() || (!bracketed && address.host.find(':') != std::string::npos)) {
    return refuse();
  }
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, address.port);
  if (parsed.ec != std::errc() || parsed.ptr != end || address.port < 0 || address.port > 65'535) {
    return refuse();
  }
  return address;
}

std::string format_address(const Address& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool is_loopback(const Address& address) {
  return address.host == "localhost" || address.host == "::1" ||
         (address.host.starts_with("127.") &&
          address.host.find_first_not_of("0123456789.") == std::string::npos);
}

}  // namespace ncscope::server
