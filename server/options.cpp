#include "server/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "kernels/errors.h"
#include "server/address.h"

namespace ncscope::server {
namespace {

// Half of what the machine, or the container, has.
size_t default_state_memory() {
  uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                   static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  uint64_t container = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> container) bytes = std::min(bytes, container);
  return bytes / 2;
}

void check_address(const std::string& text, const char* flag, bool insecure) {
  const Address address = parse_address(text);
  if (is_loopback(address) || insecure) return;
  throw InvalidArgument(std::string(flag) + " " + text +
                        " can be reached from other machines, without encryption or"
                        " authentication; use a loopback address, or say --insecure");
}

void add_options(CLI::App& app, ServerOptions& options, std::string& backend, int64_t& drain,
                 int64_t& idle_series) {
  // Refuses a minus sign, which an unsigned number would turn into an unlimited budget.
  const CLI::Validator bytes = CLI::Validator(
                                   [](std::string& text) {
                                     return text.find('-') == std::string::npos
                                                ? std::string()
                                                : "expected a size such as 512MB, got " + text;
                                   },
                                   "") &
                               CLI::AsSizeValue(false);
  const auto add = [&app](const std::string& name, auto& value, const std::string& help) {
    std::string variable = "NCSCOPE_" + name;
    for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
    return app.add_option("--" + name, value, help)->envname(variable)->capture_default_str();
  };
  add("listen", options.listen, "Address for gRPC; port 0 takes a free one");
  add("http", options.http, "Address for /healthz and /metrics; \"\" for none");
  add("data", options.data, "Data folder; made where it is missing");
  add("backend", backend, "Device to compute on: auto, cpu, cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  add("devices", options.devices, "Devices that sessions take turns with")
      ->check(CLI::Range(size_t{1}, size_t{64}));
  app.add_flag("--insecure", options.insecure,
               "Allow addresses that other machines can reach, without encryption")
      ->envname("NCSCOPE_INSECURE");
  add("state-memory", options.limits.state_memory_bytes,
      "Budget of accumulators, classifiers and states")
      ->transform(bytes);
  add("sample-memory", options.limits.sample_memory_bytes,
      "Samples kept in memory for nc4; more go to files in the data folder")
      ->transform(bytes);
  add("max-message", options.limits.max_message_bytes, "Largest message of a stream")
      ->transform(bytes)
      ->check(CLI::Range(size_t{1} << 16, size_t{1} << 30));
  add("max-classes", options.limits.max_classes, "Largest number of classes K");
  add("max-dim", options.limits.max_dim, "Largest feature dimension d");
  add("max-world-size", options.limits.max_world_size, "Most ranks of a series");
  add("max-open-series", options.limits.max_open_series, "Most series streamed at once");
  add("max-threads", options.max_threads, "Most threads, of which each call takes one")
      ->check(CLI::Range(8, 100'000));
  add("drain", drain, "Seconds that open streams get to end at shutdown")
      ->check(CLI::Range(0, 86'400));
  add("idle-series", idle_series,
      "Seconds without a stream after which a series may be dropped to make room")
      ->check(CLI::Range(1, 31'536'000));
  add("port-file", options.port_file, "File to write the bound addresses to");
  add("log-level", options.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  ParsedOptions parsed;
  ServerOptions& options = parsed.options;
  options.limits.state_memory_bytes = default_state_memory();
  std::string backend = "auto";
  int64_t drain = options.drain.count();
  int64_t idle_series = options.idle_series.count();
  CLI::App app("Measures neural collapse of networks while they train.", "ncscope-server");
  app.set_version_flag("--version", "ncscope-server " NCSCOPE_VERSION);
  app.set_config("--config", "", "File of options: one `name = value` a line");
  app.allow_config_extras(CLI::config_extras_mode::error);
  add_options(app, options, backend, drain, idle_series);
  app.footer("A flag goes before the config file, and that before a variable NCSCOPE_<OPTION>.");
  try {
    app.parse(argc, argv);
    options.backend = parse_backend(backend);
    options.drain = std::chrono::seconds(drain);
    options.idle_series = std::chrono::seconds(idle_series);
    check_address(options.listen, "--listen", options.insecure);
    if (!options.http.empty()) check_address(options.http, "--http", options.insecure);
  } catch (const CLI::ParseError& error) {
    parsed.exit_status = app.exit(error) == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::cerr << "ncscope-server: " << error.what() << "\n";
    parsed.exit_status = 2;
  }
  return parsed;
}

}  // namespace ncscope::server
