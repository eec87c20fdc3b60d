// S_W by its correlations, and what is asked of its inverse.
#pragma once

#include <span>
#include <vector>

#include "kernels/device.h"
#include "kernels/metrics/graded_trace.h"
#include "kernels/statistics.h"

namespace ncscope::metrics {

// N S_W = R C R, R the roots of its diagonal: what matters is how small the eigenvalues of the
// correlations C are, not those of S_W, and a feature of small variance loses nothing beside one of
// large variance. A feature that varies by no more than rounding gets a variance that is nothing
// beside the spread of its means, and no correlations.
struct WithinCorrelations {
  std::vector<double> matrix;  // [d, d] C
  std::vector<double> scales;  // [d] R^-1; 0 for a feature that says nothing
  size_t varying = 0;          // features that vary within classes
};

// `spread` [d] is the diagonal of N S_B, `noise` [d] the root of what rounding of the means adds to
// it. A feature that does not vary and has no more spread than that, or than `least`, says nothing.
WithinCorrelations within_correlations(const Statistics& statistics, std::span<const double> spread,
                                       std::span<const double> noise, double least);

// G = A (N S_W)^-1 A^T for rows A [m, d], by the Cholesky factor of C; some rows at a time.
GradedGram gram_by_factor(Device& device, ConstMatrix factor, std::span<const double> scales,
                          ConstMatrix rows);

// The same where C^-1 = X^T X; no row of X [., d] is longer than `longest`.
GradedGram gram_by_root(Device& device, ConstMatrix root, double longest,
                        std::span<const double> scales, ConstMatrix rows);

}  // namespace ncscope::metrics
