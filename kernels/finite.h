// Which feature values are taken, and the copy that checks them in the same pass.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/dtype.h"

namespace ncscope {

// Below this in magnitude are float64 features, class means and classifiers: sums of fourth powers
// of their distances are float64.
inline constexpr double kMagnitudeLimit = 0x1p220;

// Features have to be finite and, so that no difference or power of one overflows, below 2^126 in
// magnitude for float32 and bfloat16, kMagnitudeLimit for float64. Says so, for messages.
std::string expected_features(DType type);

// Copies n elements of a type, little-endian and at any alignment; true if all of them are taken.
bool copy_finite(DType type, const std::byte* in, size_t n, std::byte* out);

// Index of the first of n elements that is not taken, or n.
size_t first_refused(DType type, const std::byte* in, size_t n);

}  // namespace ncscope
