// What the server has done since it started, for /metrics.
#pragma once

#include <atomic>
#include <cstdint>

namespace ncscope::server {

// Of a transport. The last three say how it is now.
struct ReceiveCounters {
  std::atomic<uint64_t> bytes{0};               // of messages of streams
  std::atomic<uint64_t> waiting_streams{0};     // for memory
  std::atomic<uint64_t> memory_bytes{0};        // of what waits to be applied
  std::atomic<uint64_t> memory_limit_bytes{0};  // bound of that
};

// Of a transport.
struct ConnectionCounters {
  std::atomic<uint64_t> open{0};      // now; up to a second late
  std::atomic<uint64_t> accepted{0};  // so far
  std::atomic<uint64_t> refused{0};   // for there are too many
};

struct Counters {
  std::atomic<uint64_t> batches{0};              // applied
  std::atomic<uint64_t> duplicate_batches{0};    // acknowledged, not applied again
  std::atomic<uint64_t> replayed_batches{0};     // from logs, at the start
  std::atomic<uint64_t> damaged_logs{0};         // that were read in part, at the start
  std::atomic<uint64_t> checkpoints{0};          // logs written anew, for --log-budget
  std::atomic<uint64_t> checkpoint_failures{0};  // logs that stayed as they were
  std::atomic<uint64_t> samples{0};              // rows applied
  std::atomic<uint64_t> sample_bytes{0};         // of features, labels, predictions, identities
  std::atomic<uint64_t> reports{0};              // computed
  std::atomic<uint64_t> report_failures{0};      // attempts to compute one that threw
  std::atomic<uint64_t> report_microseconds{0};  // spent on those computed
  std::atomic<uint64_t> taken_over_streams{0};   // by a newer stream of the same rank
  ReceiveCounters receive;
  ConnectionCounters connections;
};

}  // namespace ncscope::server
