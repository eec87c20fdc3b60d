// S_B as a matrix: where it is needed, and in which of its two shapes.
#pragma once

#include <span>
#include <vector>

#include "kernels/device.h"

namespace ncscope::metrics {

// Whether the P x P matrix BB^T is the smaller one: P - 1 <= d. B = diag(sqrt(w)) M.
inline bool by_classes(ConstMatrix means) { return means.rows - 1 <= means.cols; }

// A device copy of a device matrix.
DeviceMatrix copy_of(Device& device, ConstMatrix matrix);

// B [P, d]: row c of the means M times roots[c] = sqrt(w_c).
DeviceMatrix weighted_rows(Device& device, ConstMatrix means, std::span<const double> roots);

// out [d, d] = S_B + beta out, S_B = B^T B; of `out` only the upper triangle is read.
void add_between_scatter(Device& device, ConstMatrix means, std::span<const double> roots,
                         double beta, Matrix out);

}  // namespace ncscope::metrics
