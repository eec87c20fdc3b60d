// Where the first value that is not finite lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "kernels/dtype.h"

namespace ncscope::files {

// Index of the first NaN or infinity among little-endian elements of a type.
std::optional<size_t> first_nonfinite(DType type, std::span<const std::byte> elements);

}  // namespace ncscope::files
