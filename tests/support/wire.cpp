#include "tests/support/wire.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace ncscope::test {
namespace {

template <class T>
void append(std::vector<std::byte>& out, T value) {
  const size_t place = out.size();
  out.resize(place + sizeof(T));
  std::memcpy(out.data() + place, &value, sizeof(T));
}

// The nearest value with `bits` bits of mantissa and exponents from `lowest` on.
double round_to(double value, int bits, int lowest) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::max(std::ilogb(value), lowest);
  const double unit = std::ldexp(1.0, exponent - bits);
  return std::nearbyint(value / unit) * unit;
}

}  // namespace

uint16_t to_bfloat16(double value) {
  const auto rounded = static_cast<float>(round_to(value, 7, -126));
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded) >> 16);
}

uint16_t to_float16(double value) {
  const double rounded = round_to(value, 10, -14);
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double size = std::fabs(rounded);
  if (std::isnan(size)) return 0x7e00;
  if (size >= 0x1p16) return static_cast<uint16_t>(sign | 0x7c00);
  if (size < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<int>(size * 0x1p24));
  const int exponent = std::ilogb(size);
  const int mantissa = static_cast<int>(std::ldexp(size, 10 - exponent)) - 1024;
  return static_cast<uint16_t>(sign | ((exponent + 15) << 10) | mantissa);
}

std::vector<std::byte> encode(DType type, std::span<const double> values) {
  std::vector<std::byte> out;
  out.reserve(values.size() * dtype_size(type));
  for (const double value : values) {
    switch (type) {
      case DType::kFloat32:
        append(out, static_cast<float>(value));
        break;
      case DType::kFloat16:
        append(out, to_float16(value));
        break;
      case DType::kBFloat16:
        append(out, to_bfloat16(value));
        break;
      case DType::kFloat64:
        append(out, value);
        break;
    }
  }
  return out;
}

std::vector<double> decode(DType type, std::span<const std::byte> bytes) {
  std::vector<double> out(bytes.size() / dtype_size(type));
  convert(type, bytes.data(), out.size(), out.data());
  return out;
}

std::vector<std::byte> encode_labels(LabelWidth width, std::span<const int64_t> labels) {
  std::vector<std::byte> out;
  for (const int64_t label : labels) {
    if (width == LabelWidth::kInt32) {
      append(out, static_cast<int32_t>(label));
    } else {
      append(out, label);
    }
  }
  return out;
}

}  // namespace ncscope::test
