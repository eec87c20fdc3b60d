// ncscope doctor: what is here, and whether it computes right.
#include "client/cli/commands.h"
#include "client/cli/doctor_checks.h"
#include "client/cli/machine.h"
#include "client/cli/server_option.h"
#include "client/client.h"
#include "client/output/document.h"
#include "client/output/number.h"
#include "client/output/style.h"
#include "kernels/backend.h"

namespace ncscope::cli {
namespace {

struct DoctorCommand {
  ServerOption server;
};

std::string joined_list(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string fact(const std::string& name, const std::string& value) {
  return output::left(name, 12) + value + "\n";
}

std::string device_text(const DeviceInfo& info) {
  std::string text = info.name + ", " + std::to_string(info.parallelism) + " parallel units, ";
  if (info.memory_bytes > 0) {
    const double gibibytes = static_cast<double>(info.memory_bytes) / (1 << 30);
    text += output::short_number(gibibytes, 3) + " GiB of its memory to use, ";
  }
  if (!info.driver.empty()) text += "driver " + info.driver + ", ";
  return text + joined_list(info.libraries) + ", " + info.math + " math";
}

std::string check_lines(const std::vector<KnownValue>& values, const output::Style& style,
                        bool& passed) {
  std::string text;
  for (const KnownValue& value : values) {
    passed = passed && value.passed();
    const std::string verdict = value.passed() ? "ok" : style.alert("WRONG");
    text += "  " + output::left(value.path, 24) +
            output::right(output::short_number(value.got, 4), 12) +
            output::right(output::short_number(value.ideal, 4), 8) + "  " + verdict + "\n";
  }
  return text;
}

std::string check_heading(const std::string& where, const output::Style& style) {
  return "\n" + style.heading("exact simplex ETF " + where) + "\n  " + output::left("metric", 24) +
         output::right("value", 12) + output::right("ideal", 8) + "\n";
}

void check_devices(const output::Style& style, bool& passed) {
  for (const std::string name : {"cpu", "cuda"}) {
    std::unique_ptr<Device> device;
    try {
      device = make_device(parse_backend(name));
    } catch (const BackendUnavailable& error) {
      output::write_now(fact("device", name + ": not usable, " + error.what()));
      continue;
    }
    const DeviceInfo info = device->info();
    output::write_now(fact("device", name + ": " + device_text(info)));
    if (!info.advice.empty()) output::write_now(fact("", style.alert(info.advice)));
    output::write_now(check_heading("on " + name, style) +
                      check_lines(known_values_local(*device), style, passed) + "\n");
  }
}

void check_server(const ServerOption& server, const output::Style& style, bool& passed) {
  client::Client client = server.connect();
  const std::string& address = server.address;
  const bool healthy = client.healthy();
  passed = passed && healthy;
  output::write_now(
      fact("server", address + ": " + (healthy ? "serving" : style.alert("not serving"))));
  output::write_now(check_heading("through " + address, style) +
                    check_lines(known_values_remote(client), style, passed));
}

void run_doctor(const DoctorCommand& command) {
  const output::Style style = output::terminal_style();
  bool passed = true;
  output::write_now(fact("ncscope", NCSCOPE_VERSION) + fact("processor", processor_text()) +
                    fact("memory", memory_text()));
  check_devices(style, passed);
  if (!command.server.address.empty()) check_server(command.server, style, passed);
  if (!passed) throw Error("doctor: a known problem did not give its ideal values");
}

}  // namespace

void add_doctor_command(Context& context) {
  const auto options = std::make_shared<DoctorCommand>();
  CLI::App& command = add_subcommand(
      context, "doctor", "Show version, devices and memory, and check a problem with known answers",
      [options] { run_doctor(*options); });
  add_server_option(command, options->server);
  options->server.address.clear();
  command.get_option("--server")
      ->description("check this server too: reachable, healthy, right; the run it makes is deleted")
      ->default_str("");
  add_environment(command);
}

}  // namespace ncscope::cli
