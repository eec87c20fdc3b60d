// Samples of chosen class sizes scattered about class means, with a classifier to match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/classifier.h"
#include "tests/support/samples.h"

namespace ncscope::test {

struct Layout {
  std::string name;
  size_t dim = 1;
  std::vector<size_t> counts;   // [K] samples of each class; 0: absent
  double spread = 0.3;          // within-class standard deviation of each coordinate
  double offset = 0;            // added to every coordinate
  size_t mean_rank = SIZE_MAX;  // class means lie in this many dimensions, exactly
  uint64_t seed = 1;
};

// Samples about normal means of variance 1, in a shuffled order.
Samples lay_out(const Layout& layout, DType type);

// A classifier roughly along the class means of `samples`, with a bias.
Classifier classifier_along(const Samples& samples, uint64_t seed);

// A simplex equiangular tight frame, [classes, dim] row-major with rows of unit length: the rows of
// (I - 11^T/K) sqrt(K/(K-1)), reflected so that no coordinate is special. Needs dim >= classes.
std::vector<double> simplex_frame(size_t classes, size_t dim);

}  // namespace ncscope::test
