#include "kernels/finite.h"

#include <cstdint>
#include <cstring>

#include "kernels/clones.h"
#include "kernels/errors.h"

namespace ncscope {
namespace {

// The exponent bits of a type and the lowest exponent that is refused, in place. All ones, which is
// NaN and infinity, is the largest of them.
struct Float32Bits {
  using Bits = uint32_t;
  static constexpr Bits kSign = 0x8000'0000, kExponent = 0x7f80'0000, kRefused = 0x7e80'0000;
};
struct Float16Bits {
  using Bits = uint16_t;
  static constexpr Bits kSign = 0x8000, kExponent = 0x7c00, kRefused = 0x7c00;
};
struct BFloat16Bits {
  using Bits = uint16_t;
  static constexpr Bits kSign = 0x8000, kExponent = 0x7f80, kRefused = 0x7e80;
};
struct Float64Bits {
  using Bits = uint64_t;
  static constexpr Bits kSign = 0x8000'0000'0000'0000, kExponent = 0x7ff0'0000'0000'0000,
                        kRefused = 0x4db0'0000'0000'0000;
};

// Adding what takes the lowest refused exponent to the sign's place takes all above it there too.
template <class Type>
[[gnu::always_inline]] inline bool copy_bits(const std::byte* in, size_t n, std::byte* out) {
  using Bits = typename Type::Bits;
  constexpr Bits kCarry = static_cast<Bits>(Type::kSign - Type::kRefused);
  Bits carried = 0;
  for (size_t i = 0; i < n; ++i) {
    Bits bits;
    std::memcpy(&bits, in + i * sizeof(Bits), sizeof(Bits));
    std::memcpy(out + i * sizeof(Bits), &bits, sizeof(Bits));
    carried = static_cast<Bits>(carried | static_cast<Bits>((bits & Type::kExponent) + kCarry));
  }
  return (carried & Type::kSign) == 0;
}

NCSCOPE_CLONES bool copy_float32(const std::byte* __restrict in, size_t n,
                                 std::byte* __restrict out) {
  return copy_bits<Float32Bits>(in, n, out);
}
NCSCOPE_CLONES bool copy_float16(const std::byte* __restrict in, size_t n,
                                 std::byte* __restrict out) {
  return copy_bits<Float16Bits>(in, n, out);
}
NCSCOPE_CLONES bool copy_bfloat16(const std::byte* __restrict in, size_t n,
                                  std::byte* __restrict out) {
  return copy_bits<BFloat16Bits>(in, n, out);
}
NCSCOPE_CLONES bool copy_float64(const std::byte* __restrict in, size_t n,
                                 std::byte* __restrict out) {
  return copy_bits<Float64Bits>(in, n, out);
}

template <class Type>
size_t first_refused_bits(const std::byte* in, size_t n) {
  using Bits = typename Type::Bits;
  for (size_t i = 0; i < n; ++i) {
    Bits bits;
    std::memcpy(&bits, in + i * sizeof(Bits), sizeof(Bits));
    if ((bits & Type::kExponent) >= Type::kRefused) return i;
  }
  return n;
}

[[noreturn]] void refuse_type() { throw InvalidArgument("features: unknown element type"); }

}  // namespace

bool copy_finite(DType type, const std::byte* in, size_t n, std::byte* out) {
  switch (type) {
    case DType::kFloat32:
      return copy_float32(in, n, out);
    case DType::kFloat16:
      return copy_float16(in, n, out);
    case DType::kBFloat16:
      return copy_bfloat16(in, n, out);
    case DType::kFloat64:
      return copy_float64(in, n, out);
  }
  refuse_type();
}

size_t first_refused(DType type, const std::byte* in, size_t n) {
  switch (type) {
    case DType::kFloat32:
      return first_refused_bits<Float32Bits>(in, n);
    case DType::kFloat16:
      return first_refused_bits<Float16Bits>(in, n);
    case DType::kBFloat16:
      return first_refused_bits<BFloat16Bits>(in, n);
    case DType::kFloat64:
      return first_refused_bits<Float64Bits>(in, n);
  }
  refuse_type();
}

std::string expected_features(DType type) {
  switch (type) {
    case DType::kFloat32:
    case DType::kBFloat16:
      return "finite features below 2^126 in magnitude";
    case DType::kFloat16:
      return "finite features";
    case DType::kFloat64:
      return "finite features below 2^220 in magnitude";
  }
  refuse_type();
}

}  // namespace ncscope
