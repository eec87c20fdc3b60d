// What one server takes on. Each limit but the last is an option of ncscope-server.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "server/log/durability.h"

namespace ncscope::server {

struct Limits {
  size_t max_message_bytes = size_t{64} << 20;      // largest message of a stream
  size_t receive_memory_bytes = size_t{512} << 20;  // messages that wait to be applied
  uint32_t max_classes = 1'000'000;                 // K
  uint32_t max_dim = 65'536;                        // d
  uint32_t max_world_size = 1'024;
  uint32_t max_open_series = 1'024;
  size_t state_memory_bytes = size_t{4} << 30;   // classifiers, states; accumulators on cpu
  Durability durability = Durability::kFsync;    // of what is acknowledged
  size_t log_budget_bytes = 0;                   // of all logs; 0: no bound
  size_t sample_memory_bytes = size_t{1} << 30;  // retained samples without logs; more: spool
  std::chrono::seconds train_wait{600};          // of a closed split for the means of train
  std::chrono::milliseconds lease{60'000};       // of a rank without a stream: then it is lost
};

}  // namespace ncscope::server
