#include "client/cli/machine.h"

#include <cstdio>
#include <fstream>
#include <thread>

namespace ncscope::cli {
namespace {

// The text behind "name:" in a file of /proc; empty if it is not there.
std::string proc_value(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(name)) continue;
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

double gibibytes(const char* name) {
  const std::string kibibytes = proc_value("/proc/meminfo", name);
  return kibibytes.empty() ? 0 : std::stod(kibibytes) / (1 << 20);
}

}  // namespace

std::string processor_text() {
  std::string model = proc_value("/proc/cpuinfo", "model name");
  if (model.empty()) model = "unknown model";
  return model + ", " + std::to_string(std::thread::hardware_concurrency()) + " threads";
}

std::string memory_text() {
  char text[80];
  std::snprintf(text, sizeof text, "%.1f of %.1f GiB available", gibibytes("MemAvailable"),
                gibibytes("MemTotal"));
  return text;
}

}  // namespace ncscope::cli
