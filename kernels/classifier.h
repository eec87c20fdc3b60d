// The linear classifier whose decisions and geometry a report judges.
#pragma once

#include <cstddef>
#include <vector>

namespace ncscope {

// Scores W h + b. Host memory.
struct Classifier {
  size_t num_classes = 0;      // K
  size_t dim = 0;              // d
  std::vector<double> weight;  // [K, d] row-major W
  std::vector<double> bias;    // [K] b, or empty for none

  // Throws InvalidArgument if the arrays do not have these shapes or hold a value that is not
  // finite.
  void check() const;
};

}  // namespace ncscope
