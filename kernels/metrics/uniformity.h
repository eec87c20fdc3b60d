// Uniformity of unit rows: moments over pairs of kernels of their distance (GNC, arXiv 2303.06484).
#pragma once

#include <string>

#include "kernels/metrics/etf.h"
#include "kernels/report_values.h"

namespace ncscope::metrics {

// Writes mean and population variance over pairs of D = ||u_c - u_c'||, of log(1/D), and of
// sign(s) D^-s with s = d - 2. No vector may be zero. Undefined: log, and the Riesz kernel of
// s > 0, where two vectors have one direction (named); the latter where float64 does not hold it.
// Where pairs were sampled, with the standard errors of the means.
void uniformity(const EtfVectors& vectors, const PairMetrics& metrics, ReportValues& out);

// All six are undefined, for `reason`.
void uniformity_undefined(const EtfVectors& vectors, const std::string& reason, ReportValues& out);

}  // namespace ncscope::metrics
