// Copy and finite check in one pass over the bytes.
#pragma once

#include <cstddef>

#include "kernels/dtype.h"

namespace ncscope {

// Copies n elements of a type, at any alignment; true if all of them are finite.
bool copy_finite(DType type, const std::byte* in, size_t n, std::byte* out);

}  // namespace ncscope
