// The one-vs-rest margin: the smallest distance of a unit row to the convex hull of the others
// (GNC, arXiv 2310.05351). Only where it is asked for.
#pragma once

#include <string>

#include "kernels/metrics/etf.h"
#include "kernels/metrics/pair_sample.h"
#include "kernels/report_values.h"

namespace ncscope::metrics {

// Rows from which on the margin is not computed.
inline constexpr size_t kMarginRows = 20'000;

// Writes one_vs_rest_margin, _gap and _class of a group: the smallest distance is in [margin - gap,
// margin], rounding included. P / (P-1) on a simplex; 0 where two vectors have one direction
// (unit_rows.h), and nowhere else: a sphere is strictly convex. Undefined: a zero vector (named),
// more than kMarginRows vectors. `input.rows` is what `rows` amounts to.
void one_vs_rest_margin(Device& device, const EtfVectors& vectors, const CenteredRows& rows,
                        const PairInput& input, ReportValues& out);

// Undefined for `reason`.
void one_vs_rest_margin_undefined(const EtfVectors& vectors, const std::string& reason,
                                  ReportValues& out);

}  // namespace ncscope::metrics
