// What ncscope-server can be told: by flags, NCSCOPE_* variables and a config file.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "kernels/backend.h"
#include "server/core/limits.h"

namespace ncscope::server {

// Exit status after the loss of a device: a fresh process computes again.
inline constexpr int kDeviceLostExit = 75;

struct ServerOptions {
  std::string listen = "127.0.0.1:50051";
  std::string http = "127.0.0.1:8080";  // empty: no HTTP
  std::string data = "ncscope-data";
  DeviceOptions device;
  size_t devices = 2;
  bool insecure = false;
  int max_threads = 1024;
  size_t network_memory_bytes = size_t{4} << 30;
  size_t max_connections = 4096;
  size_t max_connections_per_peer = 1024;
  std::chrono::seconds drain{10};
  std::chrono::seconds idle_series{3600};
  Limits limits;
  bool default_log_budget = false;  // half of what the disk has for logs
  std::string port_file;
  std::string log_level = "info";
};

// The options of a command line, or the exit status where the program is to end now (--help,
// --version: 0; bad usage: 2), everything said already.
struct ParsedOptions {
  ServerOptions options;
  std::optional<int> exit_status;
};
ParsedOptions parse_options(int argc, char** argv);

}  // namespace ncscope::server
