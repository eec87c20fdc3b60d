// ncscope-server: options, signals, and the server in between.
#include <malloc.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <thread>

#include "kernels/errors.h"
#include "server/address.h"
#include "server/options.h"
#include "server/server.h"
#include "server/signals.h"

namespace ncscope::server {
namespace {

// After the loss of a device: what answers under way get, and the end of all patience.
constexpr std::chrono::milliseconds kLossDrain{1'000};
constexpr std::chrono::seconds kLossPatience{5};

// Messages of megabytes come and go all the time: memory that is given back to the system at once,
// and mapped anew for the next message, costs a third of the throughput.
void tune_allocator() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  mallopt(M_TOP_PAD, 64 << 20);
}

void start_log(const std::string& level) {
  auto logger = spdlog::stderr_color_mt("ncscope-server");
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  spdlog::set_default_logger(logger);
  spdlog::set_level(spdlog::level::from_str(level));
}

// One `name address` a line; complete as soon as it is there.
void write_port_file(const std::string& path, const Server& server) {
  const std::string temporary = path + ".tmp";
  std::ofstream out(temporary);
  out << "grpc " << server.grpc_address() << "\n";
  if (!server.http_address().empty()) out << "http " << server.http_address() << "\n";
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(temporary, path, error);
  if (!out || error) throw Error("cannot write port file " + path);
}

void warn_if_public(const ServerOptions& options) {
  const bool http_public = !options.http.empty() && !is_loopback(parse_address(options.http));
  if (is_loopback(parse_address(options.listen)) && !http_public) return;
  spdlog::warn(
      "INSECURE: other machines can reach this server, without encryption or"
      " authentication");
}

void log_device(Backend asked, const DeviceInfo& device) {
  const std::string computes =
      "computes on " + device.backend + " (" + device.name + "), " + device.math + " math";
  const std::string why =
      asked == Backend::kAuto && device.backend == "cpu" ? why_not_cuda() : std::string();
  if (why.empty()) {
    spdlog::info("{}", computes);
  } else {
    const bool expected = why.find("not part of this installation") != std::string::npos;
    spdlog::log(expected ? spdlog::level::info : spdlog::level::warn, "{}; {}", computes, why);
  }
  if (!device.advice.empty()) spdlog::warn("{}", device.advice);
}

// Ends this process if it does not end by itself: a thread may wait for the lost device for ever.
// Nothing that is durable depends on an orderly end.
void end_soon() {
  std::thread([] {
    std::this_thread::sleep_for(kLossPatience);
    std::_Exit(kDeviceLostExit);
  }).detach();
}

int run(const ServerOptions& options) {
  start_log(options.log_level);
  StopSignals signals;
  const auto on_loss = [&] {
    end_soon();
    signals.wake();
  };
  Server server(options, {.make_device = {}, .on_device_lost = on_loss});
  warn_if_public(options);
  spdlog::info("ncscope-server {} serves gRPC on {}, HTTP on {}; data in {}", NCSCOPE_VERSION,
               server.grpc_address(),
               server.http_address().empty() ? "no address" : server.http_address(), options.data);
  const DevicePool& devices = server.engine().services().devices;
  log_device(options.device.backend, devices.info());
  if (!options.port_file.empty()) write_port_file(options.port_file, server);
  const int number = signals.wait();
  const bool lost = devices.lost();
  if (!lost) spdlog::info("signal {}: shutting down", number);
  server.stop(lost ? kLossDrain : options.drain, [&] { return signals.impatient(); });
  // It may have been lost meanwhile.
  const int status = devices.lost() ? kDeviceLostExit : 0;
  spdlog::info("stopped, exit status {}", status);
  return status;
}

}  // namespace
}  // namespace ncscope::server

int main(int argc, char** argv) {
  ncscope::server::tune_allocator();
  const auto parsed = ncscope::server::parse_options(argc, argv);
  if (parsed.exit_status) return *parsed.exit_status;
  try {
    return ncscope::server::run(parsed.options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ncscope-server: %s\n", error.what());
    return 1;
  }
}
