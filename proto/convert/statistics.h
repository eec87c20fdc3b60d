// The mergeable state as messages: one header, then blocks.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "kernels/classifier.h"
#include "kernels/statistics.h"
#include "ncscope/v1/statistics.pb.h"

namespace ncscope {

// A state and what travels with it.
struct StatisticsBundle {
  v1::SeriesKey key;  // empty where the state did not come from a server
  Statistics statistics;
  std::optional<Classifier> classifier;
};

// Calls `header` once, then `block` for every block in order.
void write_statistics(const StatisticsBundle& bundle,
                      const std::function<void(const v1::StatisticsHeader&)>& header,
                      const std::function<void(const v1::StatisticsBlock&)>& block);

// Rebuilds a state from its messages. Memory grows with what has arrived, not with what a header
// claims. Throws InvalidArgument for shapes that do not fit and DataLoss for a wrong checksum.
class StatisticsReader {
 public:
  explicit StatisticsReader(const v1::StatisticsHeader& header);
  void add(const v1::StatisticsBlock& block);
  // Throws InvalidArgument if blocks are missing, or Statistics::check() refuses the state.
  StatisticsBundle finish();

 private:
  struct Progress;
  v1::StatisticsHeader header_;
  StatisticsBundle bundle_;
  std::vector<double> triangle_;  // upper triangle of the scatter, row by row
  int array_ = 0;                 // array that is being filled
};

}  // namespace ncscope
