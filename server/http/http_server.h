// The HTTP front door: /healthz and /metrics.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "server/core/engine.h"

namespace httplib {
class Server;
}

namespace ncscope::server {

class HttpServer {
 public:
  // Listens when it returns. Throws Error where the address cannot be bound.
  HttpServer(Engine& engine, const std::string& host, int port);
  ~HttpServer();  // stops

  int port() const { return port_; }

 private:
  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace ncscope::server
