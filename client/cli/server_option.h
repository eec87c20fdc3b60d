// The options of commands that ask a server.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "client/cli/context.h"
#include "client/client.h"

namespace ncscope::cli {

struct ServerOption {
  std::string address;  // HOST:PORT; empty where none was asked for
  double connect_timeout_s = 5;

  client::Client connect() const {
    client::ClientOptions options;
    options.connect_timeout =
        std::chrono::milliseconds(static_cast<int64_t>(1000 * connect_timeout_s));
    return client::Client(address, options);
  }
};

// Refuses what gRPC would take for something else, such as nothing or a host alone.
inline std::string check_address(const std::string& address) {
  const size_t colon = address.rfind(':');
  const bool complete = colon != std::string::npos && colon > 0 && colon + 1 < address.size();
  return complete ? "" : "expected HOST:PORT, got '" + address + "'";
}

// Adds --server and --connect-timeout. NCSCOPE_SERVER sets the address too.
inline void add_server_option(CLI::App& command, ServerOption& server) {
  server.address = kDefaultServer;
  command.add_option("--server", server.address, "address of the server, HOST:PORT")
      ->type_name("ADDR")
      ->check(check_address)
      ->capture_default_str();
  command
      .add_option("--connect-timeout", server.connect_timeout_s,
                  "seconds that the server has to answer first")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
}

}  // namespace ncscope::cli
