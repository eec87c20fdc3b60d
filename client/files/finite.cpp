#include "client/files/finite.h"

#include <cstring>

namespace ncscope::files {
namespace {

// NaN and infinity have all bits of the exponent set.
template <class Bits>
std::optional<size_t> first_with_exponent(Bits exponent, std::span<const std::byte> elements) {
  for (size_t i = 0; i + sizeof(Bits) <= elements.size(); i += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, elements.data() + i, sizeof bits);
    if ((bits & exponent) == exponent) return i / sizeof(Bits);
  }
  return std::nullopt;
}

}  // namespace

std::optional<size_t> first_nonfinite(DType type, std::span<const std::byte> elements) {
  switch (type) {
    case DType::kFloat16:
      return first_with_exponent<uint16_t>(0x7c00, elements);
    case DType::kBFloat16:
      return first_with_exponent<uint16_t>(0x7f80, elements);
    case DType::kFloat32:
      return first_with_exponent<uint32_t>(0x7f800000, elements);
    case DType::kFloat64:
      return first_with_exponent<uint64_t>(0x7ff0000000000000, elements);
  }
  return std::nullopt;
}

}  // namespace ncscope::files
