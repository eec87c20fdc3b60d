#include "server/http/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include "server/core/errors.h"
#include "server/http/metrics_text.h"

namespace ncscope::server {
namespace {

// Without the port sharing that is httplib's default: a used port is an error.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

HttpServer::HttpServer(Engine& engine, const std::string& host, int port)
    : server_(std::make_unique<httplib::Server>()) {
  server_->set_socket_options(set_socket_options);
  server_->set_payload_max_length(1 << 16);
  server_->Get("/healthz", [&engine](const httplib::Request&, httplib::Response& response) {
    const bool lost = engine.services().devices.lost();
    response.status = lost || engine.draining() ? 503 : 200;
    response.set_content(lost                ? "device lost\n"
                         : engine.draining() ? "draining\n"
                                             : "ok\n",
                         "text/plain");
  });
  server_->Get("/metrics", [&engine](const httplib::Request&, httplib::Response& response) {
    response.set_content(metrics_text(engine), "text/plain; version=0.0.4");
  });
  if (port == 0) {
    port_ = server_->bind_to_any_port(host);
  } else if (server_->bind_to_port(host, port)) {
    port_ = port;
  }
  if (port_ <= 0) {
    throw Error("cannot listen on " + host + ":" + std::to_string(port) +
                " for HTTP: the port is in use, or the address is not one of this machine");
  }
  thread_ = std::thread([this] {
    server_->listen_after_bind();
    ended_ = true;
  });
}

HttpServer::~HttpServer() {
  // Before the thread has begun to listen, stop() does nothing.
  while (!server_->is_running() && !ended_) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  server_->stop();
  thread_.join();
}

}  // namespace ncscope::server
