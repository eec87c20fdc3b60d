// The whole server, put together.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/core/engine.h"
#include "server/options.h"
#include "server/storage/data_folder.h"

namespace ncscope::server {

class GrpcServer;
class HttpServer;

// What somebody else than the options decides.
struct ServerHooks {
  MakeDevice make_device;                // empty: as the options say
  std::function<void()> on_device_lost;  // called once, by any thread; empty: nothing
};

class Server {
 public:
  // Serves when it returns. Throws Error, in one line, where it cannot: the data folder, a port,
  // the backend. Once a device is lost, it says to be unhealthy and refuses what needs a device;
  // to stop it is up to the caller.
  explicit Server(const ServerOptions& options, const ServerHooks& hooks = {});
  ~Server();  // stops at once

  const std::string& grpc_address() const { return grpc_address_; }
  const std::string& http_address() const { return http_address_; }  // empty: none
  Engine& engine() { return *engine_; }

  // Takes no new streams, lets open ones end within `drain` or until `hurry` says so, makes the
  // reports that wait for others, then cancels what is left and stops.
  void stop(std::chrono::milliseconds drain, const std::function<bool()>& hurry);

 private:
  DataFolder folder_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<GrpcServer> grpc_;
  std::string grpc_address_;
  std::string http_address_;
};

}  // namespace ncscope::server
