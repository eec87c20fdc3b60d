// The canonical, mergeable state of one set of samples (METRICS.md section 3.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/dtype.h"

namespace ncscope {

class Device;

// Sums over samples, about their class means; everything a report needs but the samples' decisions.
// Host memory. Per-class arrays hold the P present classes only, ascending by label.
struct Statistics {
  size_t num_classes = 0;  // K
  size_t dim = 0;          // d
  DType input_type = DType::kFloat32;
  DType product_type = DType::kFloat32;  // what samples were multiplied in: float32 or float64
  uint64_t samples = 0;                  // N = sum of counts
  uint64_t skipped_nonfinite = 0;        // rows dropped for a feature that is not taken (finite.h)
  uint64_t ignored = 0;                  // rows dropped by ignore_index
  double sum_squares = 0;                // sum of ||h||^2, feature units squared
  // Size of the rounding error of u^T N S_W u for a unit vector u, feature units squared: half the
  // spacing of what products were taken in, times the trace of what was multiplied.
  double scatter_resolution = 0;

  std::vector<uint32_t> classes;  // [P] labels, ascending
  std::vector<uint64_t> counts;   // [P] n_c >= 1
  std::vector<double> means;      // [P, d] row-major mu_c
  std::vector<double> within;     // [P] n_c v_c
  std::vector<double> scatter;    // [d, d] row-major symmetric N S_W

  // The identity of merge: no samples.
  static Statistics empty(size_t num_classes, size_t dim, DType input_type);

  size_t present() const { return classes.size(); }

  // Throws InvalidArgument if the arrays do not fit each other or hold what no samples can give
  // (unsorted classes, a zero count, negative sums of squares, a value that is not finite or whose
  // powers overflow).
  void check() const;
};

// The state of both sets of samples together: N S_W = A + B + sum_c (n_a n_b / n) delta delta^T
// with delta = mu_a - mu_b, and likewise for `within`. Commutative to the bit, associative up to
// rounding. The coarser types of both are kept: their spacing is the report's floor.
// Throws InvalidArgument if K or d differ.
Statistics merge(Device& device, const Statistics& a, const Statistics& b);

}  // namespace ncscope
