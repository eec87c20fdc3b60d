// NC4 of the samples behind a state, counted by whoever had them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/statistics.h"

namespace ncscope {

// The p-th count is of the p-th present class of the state.
struct CountedDecisions {
  uint32_t centers_epoch = 0;                // whose class means were the centres
  std::vector<uint64_t> agreement;           // [P] classifier = nearest centre
  std::vector<uint64_t> ncc_correct;         // [P] nearest centre = label
  std::vector<uint64_t> classifier_correct;  // [P] classifier = label

  // Throws InvalidArgument for counts that the samples of `statistics` cannot have.
  void check(const Statistics& statistics) const;
};

}  // namespace ncscope
