#include "kernels/copy_finite.h"

#include <cstdint>
#include <cstring>

#include "kernels/clones.h"
#include "kernels/errors.h"

namespace ncscope {
namespace {

// A value is finite unless its exponent bits are all ones; adding one exponent unit then carries
// into the sign's place. kUnit is the lowest exponent bit.
template <class Bits, Bits kUnit>
[[gnu::always_inline]] inline bool copy_bits(const std::byte* in, size_t n, std::byte* out) {
  constexpr Bits kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  constexpr Bits kExponent = static_cast<Bits>(kSign - kUnit);
  Bits carried = 0;
  for (size_t i = 0; i < n; ++i) {
    Bits bits;
    std::memcpy(&bits, in + i * sizeof(Bits), sizeof(Bits));
    std::memcpy(out + i * sizeof(Bits), &bits, sizeof(Bits));
    carried = static_cast<Bits>(carried | static_cast<Bits>((bits & kExponent) + kUnit));
  }
  return (carried & kSign) == 0;
}

NCSCOPE_CLONES bool copy_float32(const std::byte* __restrict in, size_t n,
                                 std::byte* __restrict out) {
  return copy_bits<uint32_t, 0x00800000u>(in, n, out);
}
NCSCOPE_CLONES bool copy_float16(const std::byte* __restrict in, size_t n,
                                 std::byte* __restrict out) {
  return copy_bits<uint16_t, 0x0400u>(in, n, out);
}
NCSCOPE_CLONES bool copy_bfloat16(const std::byte* __restrict in, size_t n,
                                  std::byte* __restrict out) {
  return copy_bits<uint16_t, 0x0080u>(in, n, out);
}
NCSCOPE_CLONES bool copy_float64(const std::byte* __restrict in, size_t n,
                                 std::byte* __restrict out) {
  return copy_bits<uint64_t, 0x0010000000000000u>(in, n, out);
}

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
  throw InvalidArgument("copy_finite: unknown element type");
}

}  // namespace ncscope
