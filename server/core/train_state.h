// The state of the train split that the report of another split is judged against.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/statistics.h"
#include "server/core/series_key.h"
#include "server/core/services.h"

namespace ncscope::server {

struct TrainState {
  std::optional<Statistics> means{};  // without the scatter, which nobody reads
  uint32_t epoch = 0;                 // that the means are of
  uint32_t attempt = 0;               // of that epoch
  std::string missing{};              // why there are none

  // Why its means cannot be the centres of the samples behind `split`; empty where they can.
  std::string why_no_centers(const Statistics& split) const;
};

// The stored state of the train split of the same run and layer, of the epoch of `key` or of the
// latest one before it. Throws ResourceExhausted where it cannot be read now; one that is damaged
// or gone is missing.
TrainState find_train_state(Services& services, const SeriesKey& key);

}  // namespace ncscope::server
