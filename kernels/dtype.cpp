#include "kernels/dtype.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "kernels/errors.h"

namespace ncscope {
namespace {

template <class T>
T load(const void* in, size_t i) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(in) + i * sizeof(T), sizeof(T));
  return value;
}

float from_bfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

float from_float16(uint16_t bits) {
  // The exponent and mantissa moved into a binary32's place, then scaled by the difference of the
  // exponent biases; this is exact for subnormals too.
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) {  // infinity, NaN
    return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  }
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | sign);
}

}  // namespace

size_t dtype_size(DType type) {
  switch (type) {
    case DType::kFloat16:
    case DType::kBFloat16:
      return 2;
    case DType::kFloat32:
      return 4;
    case DType::kFloat64:
      return 8;
  }
  throw InvalidArgument("dtype_size: unknown element type");
}

std::string_view dtype_name(DType type) {
  switch (type) {
    case DType::kFloat32:
      return "float32";
    case DType::kFloat16:
      return "float16";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kFloat64:
      return "float64";
  }
  throw InvalidArgument("dtype_name: unknown element type");
}

double dtype_epsilon(DType type) {
  switch (type) {
    case DType::kFloat32:
      return 0x1p-23;
    case DType::kFloat16:
      return 0x1p-10;
    case DType::kBFloat16:
      return 0x1p-7;
    case DType::kFloat64:
      return 0x1p-52;
  }
  throw InvalidArgument("dtype_epsilon: unknown element type");
}

Math parse_math(std::string_view name) {
  if (name == "exact") return Math::kExact;
  if (name == "fp64") return Math::kFloat64;
  throw InvalidArgument("parse_math: expected exact or fp64, got \"" + std::string(name) + "\"");
}

std::string_view math_name(Math math) { return math == Math::kFloat64 ? "fp64" : "exact"; }

DType compute_type(DType type, Math math) {
  const bool wide = type == DType::kFloat64 || math == Math::kFloat64;
  return wide ? DType::kFloat64 : DType::kFloat32;
}

void convert(DType type, const void* in, size_t n, float* out) {
  switch (type) {
    case DType::kFloat32:
      std::memcpy(out, in, n * sizeof(float));
      return;
    case DType::kFloat16:
      for (size_t i = 0; i < n; ++i) out[i] = from_float16(load<uint16_t>(in, i));
      return;
    case DType::kBFloat16:
      for (size_t i = 0; i < n; ++i) out[i] = from_bfloat16(load<uint16_t>(in, i));
      return;
    case DType::kFloat64:
      throw InvalidArgument("convert: float64 does not fit float32 without loss");
  }
}

void convert(DType type, const void* in, size_t n, double* out) {
  switch (type) {
    case DType::kFloat32:
      for (size_t i = 0; i < n; ++i) out[i] = load<float>(in, i);
      return;
    case DType::kFloat16:
      for (size_t i = 0; i < n; ++i) out[i] = from_float16(load<uint16_t>(in, i));
      return;
    case DType::kBFloat16:
      for (size_t i = 0; i < n; ++i) out[i] = from_bfloat16(load<uint16_t>(in, i));
      return;
    case DType::kFloat64:
      std::memcpy(out, in, n * sizeof(double));
      return;
  }
}

}  // namespace ncscope
