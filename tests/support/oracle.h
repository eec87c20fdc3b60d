// What the numbers should be: plain loops, no BLAS, nothing shared with kernels but its structs.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/device.h"
#include "kernels/statistics.h"
#include "tests/support/samples.h"

namespace ncscope::test {

// Two passes in long double over the decoded features.
Statistics oracle_statistics(const Samples& samples);

// Every pair sum by its definition, distances from differences.
PairSums oracle_pairs(const PairInput& input);

// sum over (c, c') of (<a_c, b_c'> - alpha E_cc')^2.
double oracle_gram_residual(ConstMatrix a, ConstMatrix b, double alpha);

// Scores a_c . (h - center) + t_c in float64, in the order of the columns; lowest c on ties.
std::vector<int32_t> oracle_argmax(const Samples& samples, const AffineScores& scores);

}  // namespace ncscope::test
