#include "server/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "kernels/errors.h"
#include "server/address.h"

namespace ncscope::server {
namespace {

// What the machine, or the container, has.
size_t machine_memory() {
  uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                   static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  uint64_t container = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> container) bytes = std::min(bytes, container);
  return bytes;
}

void check_address(const std::string& text, const char* flag, bool insecure) {
  const Address address = parse_address(text);
  if (is_loopback(address) || insecure) return;
  throw InvalidArgument(std::string(flag) + " " + text +
                        " can be reached from other machines, without encryption or"
                        " authentication; use a loopback address, or say --insecure");
}

// An unsigned number would turn a minus sign into an unlimited budget.
std::string refuse_negative(const std::string& text) {
  return text.find('-') == std::string::npos ? "" : "expected a size such as 2GB, got " + text;
}

// Zero would be the default, and a device that does not fit would say so in bytes of its own.
void check_device_memory(size_t bytes, size_t devices) {
  const std::string why = why_not_memory(bytes, devices);
  if (!why.empty()) throw InvalidArgument("--device-memory: " + why + " (--devices)");
}

// Options that are text or a number on the command line, and something else afterwards.
struct Texts {
  std::string backend = "auto";
  std::string math = "exact";
  std::string durability = "fsync";
  int64_t drain = 0;
  int64_t idle_series = 0;
  int64_t train_wait = 0;
  int64_t lease = 0;
};

void add_options(CLI::App& app, ServerOptions& options, Texts& texts) {
  const auto add = [&app](const std::string& name, auto& value, const std::string& help) {
    std::string variable = "NCSCOPE_" + name;
    for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
    return app.add_option("--" + name, value, help)->envname(variable)->capture_default_str();
  };
  // The transformation that is added last comes first.
  const auto add_size = [&add](const std::string& name, size_t& value, const std::string& help) {
    return add(name, value, help)
        ->transform(CLI::AsSizeValue(false))
        ->transform(CLI::Validator(refuse_negative, ""));
  };
  add("listen", options.listen, "Address for gRPC; port 0 takes a free one");
  add("http", options.http, "Address for /healthz and /metrics; \"\" for none");
  add("data", options.data, "Data folder; made where it is missing");
  add("backend", texts.backend, "Device to compute on: auto, cpu, cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  add("math", texts.math,
      "What samples are multiplied in: exact (float32, float64 for float64 samples) or fp64 (always"
      " float64, which pays on data-centre cards)")
      ->check(CLI::IsMember({"exact", "fp64"}));
  add("devices", options.devices, "Devices that sessions take turns with")
      ->check(CLI::Range(size_t{1}, size_t{64}));
  app.add_flag("--insecure", options.insecure,
               "Allow addresses that other machines can reach, without encryption")
      ->envname("NCSCOPE_INSECURE");
  add_size("state-memory", options.limits.state_memory_bytes,
           "Budget of classifiers and states, and on cpu of accumulators");
  add_size(
      "device-memory", options.device.memory_bytes,
      "What devices take of a card's memory together, half of it for accumulators; default:"
      " nine tenths of what is free at the start; at least 320MB for each of --devices; ignored"
      " with --backend cpu")
      ->default_str("");
  add("durability", texts.durability,
      "What acknowledged batches survive: fsync (the end of the machine), os (that of the server) "
      "or"
      " none")
      ->check(CLI::IsMember({"fsync", "os", "none"}));
  add_size(
      "log-budget", options.limits.log_budget_bytes,
      "What the logs of unfinished epochs take together before sums stand in for most of their"
      " samples, and nc4 is over the others; 0: no bound; default: half of what is free for them at"
      " the start")
      ->default_str("");
  add_size("sample-memory", options.limits.sample_memory_bytes,
           "With --durability none, samples kept in memory for nc4; more go to files in the data"
           " folder");
  add_size("max-message", options.limits.max_message_bytes, "Largest message of a stream")
      ->check(CLI::Range(size_t{1} << 16, size_t{1} << 30));
  add_size("receive-memory", options.limits.receive_memory_bytes,
           "Messages of all streams that wait to be applied; beyond it trainers wait")
      ->check(CLI::Range(size_t{1} << 16, size_t{1} << 40));
  add_size("network-memory", options.network_memory_bytes,
           "Messages on their way, for which streams times their message size is enough; beyond it"
           " streams end with RESOURCE_EXHAUSTED")
      ->check(CLI::Range(size_t{64} << 20, size_t{1} << 40));
  add("max-classes", options.limits.max_classes, "Largest number of classes K");
  add("max-dim", options.limits.max_dim, "Largest feature dimension d");
  add("max-world-size", options.limits.max_world_size, "Most ranks of a series");
  add("max-open-series", options.limits.max_open_series, "Most series streamed at once");
  add("max-threads", options.max_threads,
      "Most streams at once, and most other calls; each may take a thread")
      ->check(CLI::Range(8, 100'000));
  add("max-connections", options.max_connections,
      "Most connections at once; fewer where the system lets the process open fewer files")
      ->check(CLI::Range(size_t{1}, size_t{1} << 20));
  add("max-connections-per-peer", options.max_connections_per_peer, "Most of them from one address")
      ->check(CLI::Range(size_t{1}, size_t{1} << 20));
  add("drain", texts.drain, "Seconds that open streams get to end at shutdown")
      ->check(CLI::Range(0, 86'400));
  add("idle-series", texts.idle_series,
      "Seconds without a stream after which a series may be dropped to make room")
      ->check(CLI::Range(1, 31'536'000));
  add("train-wait", texts.train_wait,
      "Seconds that the report of another split waits for a train split that is being streamed")
      ->check(CLI::Range(0, 31'536'000));
  add("lease", texts.lease,
      "Seconds without a stream after which a rank that has not closed, and with it its epoch, "
      "counts"
      " as lost; it may still go on")
      ->check(CLI::Range(1, 31'536'000));
  add("port-file", options.port_file, "File to write the bound addresses to");
  add("log-level", options.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  ParsedOptions parsed;
  ServerOptions& options = parsed.options;
  options.limits.state_memory_bytes = machine_memory() / 2;
  options.network_memory_bytes = std::max<size_t>(machine_memory() / 4, size_t{512} << 20);
  Texts texts;
  texts.drain = options.drain.count();
  texts.idle_series = options.idle_series.count();
  texts.lease = std::chrono::duration_cast<std::chrono::seconds>(options.limits.lease).count();
  texts.train_wait = options.limits.train_wait.count();
  CLI::App app("Measures neural collapse of networks while they train.", "ncscope-server");
  app.set_version_flag("--version", "ncscope-server " NCSCOPE_VERSION);
  app.set_config("--config", "", "File of options: one `name = value` a line");
  app.allow_config_extras(CLI::config_extras_mode::error);
  add_options(app, options, texts);
  app.footer(
      "A flag goes before the config file, and that before a variable NCSCOPE_<OPTION>.\n"
      "Exit status: 0 stopped by a signal, 1 cannot serve, 2 bad usage, " +
      std::to_string(kDeviceLostExit) + " a device was lost: start it again.");
  try {
    app.parse(argc, argv);
    options.device.backend = parse_backend(texts.backend);
    options.device.math = parse_math(texts.math);
    options.limits.durability = texts.durability == "fsync" ? Durability::kFsync
                                : texts.durability == "os"  ? Durability::kOs
                                                            : Durability::kNone;
    if (app.count("--device-memory") > 0 && options.device.backend != Backend::kCpu) {
      check_device_memory(options.device.memory_bytes, options.devices);
    }
    options.default_log_budget = app.count("--log-budget") == 0;
    options.drain = std::chrono::seconds(texts.drain);
    options.idle_series = std::chrono::seconds(texts.idle_series);
    options.limits.lease = std::chrono::seconds(texts.lease);
    options.limits.train_wait = std::chrono::seconds(texts.train_wait);
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
