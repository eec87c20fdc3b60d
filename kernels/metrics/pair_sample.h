// Pair metrics from a random sample of the pairs, where all of them would cost too much.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "kernels/device.h"

namespace ncscope::metrics {

// Rows x_c = raw_c - center, in host memory.
struct CenteredRows {
  ConstMatrix raw;                 // [P, d]
  std::span<const double> center;  // [d]
};

// Standard errors of means over the pairs of a sample.
struct PairSampling {
  uint64_t pairs = 0;
  double max_angle_error = 0;
  double cdnv_error = 0;
  double cdnv_fourth_error = 0;
  double distance_error = 0;  // of unit rows
  double log_error = 0;
};

// Sums over all pairs, or over those of a sample.
struct PairMetrics {
  PairSums sums;
  std::optional<PairSampling> sampling;
};

// Why extremes over the pairs are undefined where pairs were sampled.
std::string needs_all_pairs(const PairSampling& sampling);

// All pairs where `exact`, where products are given, where P - 1 <= d, whose other metrics cost as
// much, or where P^2 d / 2 is no more than device.pair_budget(); else sample_pairs() of some 2^28
// numbers.
PairMetrics pair_metrics(Device& device, const CenteredRows& rows, const PairInput& input,
                         bool exact);

// PairSums of `pairs` pairs c != c', drawn independently, all equally likely, by a fixed seed: the
// same on every device. Extremes and nearest rows have no value, `equal` and `aligned` are the
// first of the sample. Of all pairs are `cosine`, whose mean and variance follow from sum u_c and
// U^T U, and gram_residual for etf_scale = <XX^T, E>, ||X^T X||_F^2 - <XX^T, E>^2.
//
// Neither difference cancels where P - 1 > d: of its first term at least (P - 1 - d) / (P - 1) is
// left.
PairMetrics sample_pairs(Device& device, const CenteredRows& rows, const PairInput& input,
                         uint64_t pairs);

}  // namespace ncscope::metrics
