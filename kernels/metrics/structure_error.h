// Distance of a product of two sets of vectors from a simplex frame (arXiv 2206.04041).
#pragma once

#include <optional>
#include <span>

#include "kernels/device.h"

namespace ncscope::metrics {

// || AB^T/||AB^T||_F - E ||_F of the rows of A and B [m, d], m >= 2, in device memory, from `dots`
// [m] <a_c, b_c>; in [0, 2], ideal 0. Nothing where AB^T is zero.
std::optional<double> structure_error(Device& device, ConstMatrix a, ConstMatrix b,
                                      std::span<const double> dots);

}  // namespace ncscope::metrics
