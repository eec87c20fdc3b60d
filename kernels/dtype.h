// Element types of features, and their conversion to the two types that are computed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ncscope {

enum class DType { kFloat32, kFloat16, kBFloat16, kFloat64 };

// Bytes per element.
size_t dtype_size(DType type);

// "float32", "float16", "bfloat16", "float64".
std::string_view dtype_name(DType type);

// Spacing of the type at 1: 2^-23, 2^-10, 2^-7, 2^-52.
double dtype_epsilon(DType type);

// In what samples are multiplied with each other.
enum class Math {
  kExact,    // float32 for all types but float64; products are those of IEEE 754, never narrower
  kFloat64,  // float64 for all types
};

// Parses "exact", "fp64"; throws InvalidArgument naming the choices.
Math parse_math(std::string_view name);
std::string_view math_name(Math math);

// What samples of a type are computed in: float64 for float64 and for Math::kFloat64, else float32,
// which holds every value of the narrower types exactly.
DType compute_type(DType type, Math math = Math::kExact);

// Converts n elements of a type, little-endian and at any alignment, to `out`. To float only from
// the three narrow types (throws InvalidArgument otherwise); to double from any.
void convert(DType type, const void* in, size_t n, float* out);
void convert(DType type, const void* in, size_t n, double* out);

}  // namespace ncscope
