// A state that stands for the samples of one rank, as it arrives.
#pragma once

#include <memory>
#include <optional>

#include "proto/convert/statistics.h"
#include "server/core/activity.h"
#include "server/core/incoming.h"
#include "server/core/memory_budget.h"
#include "server/core/series_key.h"
#include "server/core/series_spec.h"

namespace ncscope::server {

class Engine;

// header(), then block() for each block, then finish(). Used by one thread.
class StateUpload {
 public:
  // Throws InvalidArgument as parse_series_spec() and parse_key().
  StateUpload(Engine& engine, const v1::Open& open);
  ~StateUpload();

  // Throws InvalidArgument where the shapes are not those of the Open, ResourceExhausted.
  void header(const v1::StatisticsHeader& header);
  // Throws as StatisticsReader::add().
  void block(const v1::StatisticsBlock& block);
  // Closes the rank. Throws as StatisticsReader::finish() and Session::close().
  CloseResult finish();

 private:
  Engine& engine_;
  const Activity activity_;
  const v1::Open open_;
  const SeriesKey key_;
  const SeriesSpec spec_;
  std::optional<StatisticsReader> reader_;
  Reservation memory_;
  uint32_t digest_ = 0;  // CRC-32C of header and blocks
};

}  // namespace ncscope::server
