// The shortest vector in the convex hull of some points, from their Gram matrix alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/matrix.h"

namespace ncscope::metrics {

struct MinNormPoint {
  std::vector<double> weights;   // [n] of the points, >= 0, summing to 1
  uint64_t multiplications = 0;  // that it took
};

// `gram` [n, n] holds <e_i, e_j> of n >= 1 points, host memory; `start` [n] weights to begin with,
// or empty. Wolfe's active-set method (Finding the nearest point in a polytope, 1976): it ends
// after finitely many steps, at the point itself but for rounding; a bound on the steps cuts it
// short with weights that are as good as they got. The same numbers give the same bits.
MinNormPoint min_norm_point(ConstMatrix gram, std::span<const double> start = {});

}  // namespace ncscope::metrics
