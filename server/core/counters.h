// What the server has done since it started, for /metrics.
#pragma once

#include <atomic>
#include <cstdint>

namespace ncscope::server {

struct Counters {
  std::atomic<uint64_t> batches{0};              // applied
  std::atomic<uint64_t> duplicate_batches{0};    // acknowledged, not applied again
  std::atomic<uint64_t> replayed_batches{0};     // from logs, at the start
  std::atomic<uint64_t> damaged_logs{0};         // that were read in part, at the start
  std::atomic<uint64_t> samples{0};              // rows applied
  std::atomic<uint64_t> sample_bytes{0};         // of features, labels, predictions, identities
  std::atomic<uint64_t> reports{0};              // computed
  std::atomic<uint64_t> report_failures{0};      // attempts to compute one that threw
  std::atomic<uint64_t> report_microseconds{0};  // spent on those computed
  std::atomic<uint64_t> taken_over_streams{0};   // by a newer stream of the same rank
};

}  // namespace ncscope::server
