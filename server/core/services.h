// What all series of a server share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "server/core/counters.h"
#include "server/core/device_pool.h"
#include "server/core/limits.h"
#include "server/core/memory_budget.h"
#include "server/core/report_hub.h"
#include "server/core/sample_store.h"
#include "server/log/epoch_logs.h"
#include "server/storage/report_store.h"

namespace ncscope::server {

// Each of them is thread-safe, and locked last: none calls back into a series.
struct Services {
  Services(const Limits& limits_, const MakeDevice& make_device, size_t devices_,
           const std::filesystem::path& spool, const std::filesystem::path& log,
           const std::filesystem::path& database, std::filesystem::path statistics)
      : limits(limits_),
        memory(limits_.state_memory_bytes, "--state-memory"),
        samples(spool, limits_.sample_memory_bytes),
        logs(log, limits_.durability, limits_.log_budget_bytes),
        devices(make_device, devices_),
        device_memory(devices.info().memory_bytes / 2, "--device-memory"),
        reports(database),
        statistics_folder(std::move(statistics)) {}

  // The budget of accumulators: half of what a card offers, the rest is for reports and
  // workspaces; that of the host where devices have no memory of their own.
  MemoryBudget& accumulator_memory() {
    return devices.info().memory_bytes > 0 ? device_memory : memory;
  }

  // A name that no file of this or an earlier server has.
  std::string next_statistics_file() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::to_string(std::chrono::nanoseconds(now).count()) + "-" +
           std::to_string(statistics_files_++) + ".ncstats";
  }

  const Limits limits;
  MemoryBudget memory;
  SampleStore samples;
  EpochLogs logs;
  DevicePool devices;
  MemoryBudget device_memory;
  ReportStore reports;
  const std::filesystem::path statistics_folder;
  ReportHub hub;
  Counters counters;

 private:
  std::atomic<uint64_t> statistics_files_{0};
};

}  // namespace ncscope::server
