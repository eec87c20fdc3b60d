// Values as the bytes that a client sends, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/admission.h"
#include "kernels/dtype.h"

namespace ncscope::test {

// Rounds to nearest even, as numpy and torch do.
uint16_t to_float16(double value);
uint16_t to_bfloat16(double value);

std::vector<std::byte> encode(DType type, std::span<const double> values);
// Exact.
std::vector<double> decode(DType type, std::span<const std::byte> bytes);
std::vector<std::byte> encode_labels(LabelWidth width, std::span<const int64_t> labels);

}  // namespace ncscope::test
