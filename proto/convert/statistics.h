// The mergeable state as messages: one header, then blocks.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "kernels/classifier.h"
#include "kernels/counted_decisions.h"
#include "kernels/statistics.h"
#include "ncscope/v1/statistics.pb.h"

namespace ncscope {

// Version of the layout that is written; others are refused.
inline constexpr uint32_t kStatisticsLayoutVersion = 1;

// A state and what travels with it.
struct StatisticsBundle {
  v1::SeriesKey key;  // empty where the state did not come from a server
  Statistics statistics;
  std::optional<Classifier> classifier;
  std::optional<CountedDecisions> decisions = std::nullopt;
};

// Calls `header` once, then `block` for every block in order.
void write_statistics(const StatisticsBundle& bundle,
                      const std::function<void(const v1::StatisticsHeader&)>& header,
                      const std::function<void(const v1::StatisticsBlock&)>& block);

// Rebuilds a state from its messages. Memory grows with what has arrived, not with what a header
// claims.
class StatisticsReader {
 public:
  // Throws InvalidArgument for shapes that no state has, or another layout version.
  explicit StatisticsReader(const v1::StatisticsHeader& header);

  // Throws InvalidArgument for a block out of order or beyond its array, DataLoss for a wrong
  // checksum.
  void add(const v1::StatisticsBlock& block);

  // Throws InvalidArgument if blocks are missing, or what came is refused by check() of Statistics,
  // Classifier or CountedDecisions.
  StatisticsBundle finish();

 private:
  struct ArrayState {
    size_t expected = 0;  // elements in all
    size_t received = 0;
  };

  ArrayState& state(int array) { return arrays_[static_cast<size_t>(array)]; }

  v1::StatisticsHeader header_;
  StatisticsBundle bundle_;
  std::vector<double> weight_;
  std::vector<double> bias_;
  std::vector<double> triangle_;    // upper triangle of the scatter, row by row
  std::vector<ArrayState> arrays_;  // by StatisticsBlock::Array
};

}  // namespace ncscope
