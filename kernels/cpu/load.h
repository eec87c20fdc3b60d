// Loads of wire elements, eight at a time or one, at any alignment. Values are finite: admission
// has seen to that.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/simd.h"

namespace ncscope::simd {

typedef uint16_t Half8 __attribute__((vector_size(16)));
typedef uint32_t Word8 __attribute__((vector_size(32)));

template <class V>
[[gnu::always_inline]] inline void load(const void* in, V& out) {
  std::memcpy(&out, in, sizeof(V));
}

template <class V>
[[gnu::always_inline]] inline void store(void* out, const V& value) {
  std::memcpy(out, &value, sizeof(V));
}

// Each names its element on the wire, the type T it is computed in, and eight lanes of T.
struct Float32Wire {
  using Element = float;
  using T = float;
  using T8 = Float8;
  [[gnu::always_inline]] static void load8(const std::byte* in, T8& out) { load(in, out); }
  [[gnu::always_inline]] static void load1(const std::byte* in, T& out) { load(in, out); }
};

struct Float64Wire {
  using Element = double;
  using T = double;
  using T8 = Double8;
  [[gnu::always_inline]] static void load8(const std::byte* in, T8& out) { load(in, out); }
  [[gnu::always_inline]] static void load1(const std::byte* in, T& out) { load(in, out); }
};

struct BFloat16Wire {
  using Element = uint16_t;
  using T = float;
  using T8 = Float8;
  [[gnu::always_inline]] static void load8(const std::byte* in, T8& out) {
    Half8 bits;
    load(in, bits);
    const Word8 word = __builtin_convertvector(bits, Word8) << 16;
    std::memcpy(&out, &word, sizeof(out));
  }
  [[gnu::always_inline]] static void load1(const std::byte* in, T& out) {
    uint16_t bits;
    load(in, bits);
    out = std::bit_cast<float>(uint32_t{bits} << 16);
  }
};

// Exponent and mantissa moved into a binary32's place, then scaled by the difference of the
// exponent biases; exact for subnormals too.
struct Float16Wire {
  using Element = uint16_t;
  using T = float;
  using T8 = Float8;
  [[gnu::always_inline]] static void load8(const std::byte* in, T8& out) {
    Half8 bits;
    load(in, bits);
    const Word8 word = __builtin_convertvector(bits, Word8);
    const Word8 magnitude = (word & 0x7fffu) << 13;
    Float8 scaled;
    std::memcpy(&scaled, &magnitude, sizeof(scaled));
    scaled *= 0x1p112f;
    Word8 result;
    std::memcpy(&result, &scaled, sizeof(result));
    result |= (word & 0x8000u) << 16;
    std::memcpy(&out, &result, sizeof(out));
  }
  [[gnu::always_inline]] static void load1(const std::byte* in, T& out) {
    uint16_t bits;
    load(in, bits);
    const float scaled = std::bit_cast<float>((bits & 0x7fffu) << 13) * 0x1p112f;
    out = std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | ((bits & 0x8000u) << 16));
  }
};

}  // namespace ncscope::simd
