// Weighted means of vectors: mu_G, the mean classifier row.
#pragma once

#include <span>
#include <vector>

#include "kernels/matrix.h"
#include "kernels/report.h"
#include "kernels/statistics.h"

namespace ncscope::metrics {

// [P] weights of the present classes, summing to 1: 1/P each, or n_c/N.
std::vector<double> class_weights(const Statistics& statistics, Weighting weighting);

// [cols] sum of w_r x_r over the rows (host), for weights that sum to 1. Summed about the first
// row: where all rows are equal the result is that row to the bit, and the centred rows are exactly
// 0.
std::vector<double> weighted_mean(ConstMatrix rows, std::span<const double> weights);

}  // namespace ncscope::metrics
