// Many projections on convex hulls of unit rows at once, by products with their P x P Gram matrix.
#pragma once

#include <vector>

#include "kernels/device.h"
#include "kernels/metrics/hull_margin.h"
#include "kernels/metrics/hull_rows.h"

namespace ncscope::metrics {

// Accelerated projected gradients (FISTA, Beck and Teboulle 2009, restarted after O'Donoghue and
// Candes 2015) over the weights of all rows: near a simplex frame, where every row has weight, the
// Gram matrix is so well conditioned that few steps do. `products` XX^T [P, P] of the rows before
// they are scaled, device memory. Rows that `margin` settles on the way leave; the others are
// returned after 32 steps, or as many as four pair_budget()s of the device pay for, with the
// weights that they have got to.
std::vector<HullSearch> descend_all(Device& device, const HullRows& rows, ConstMatrix products,
                                    HullMargin& margin);

}  // namespace ncscope::metrics
