#include "proto/convert/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace ncscope {
namespace {

// Slicing by eight: table k advances a byte by k more zero bytes.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

uint64_t load_word(const unsigned char* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

uint32_t update_portable(uint32_t crc, const unsigned char* data, size_t bytes) {
  for (; bytes >= 8; data += 8, bytes -= 8) {
    uint64_t word = load_word(data) ^ crc;
    crc = 0;
    for (size_t k = 8; k-- > 0; word >>= 8) crc ^= kTables[k][word & 0xff];
  }
  for (; bytes > 0; ++data, --bytes) crc = (crc >> 8) ^ kTables[0][(crc ^ *data) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t update_one_lane(uint32_t crc, const unsigned char* data,
                                                           size_t bytes) {
  uint64_t wide = crc;
  for (; bytes >= 8; data += 8, bytes -= 8) wide = _mm_crc32_u64(wide, load_word(data));
  crc = static_cast<uint32_t>(wide);
  for (; bytes > 0; ++data, --bytes) crc = _mm_crc32_u8(crc, *data);
  return crc;
}

// What `kBytes` zero bytes make of a checksum, a byte of it at a time.
template <size_t kBytes>
class Shift {
 public:
  Shift() {
    const std::array<unsigned char, kBytes> zeros{};
    for (uint32_t bit = 0; bit < 32; ++bit) {
      const uint32_t shifted = update_one_lane(1u << bit, zeros.data(), zeros.size());
      auto& table = tables_[bit / 8];
      for (uint32_t byte = 0; byte < 256; ++byte) {
        if ((byte >> (bit % 8)) & 1) table[byte] ^= shifted;
      }
    }
  }
  uint32_t operator()(uint32_t crc) const {
    return tables_[0][crc & 0xff] ^ tables_[1][(crc >> 8) & 0xff] ^ tables_[2][(crc >> 16) & 0xff] ^
           tables_[3][crc >> 24];
  }

 private:
  std::array<std::array<uint32_t, 256>, 4> tables_{};
};

constexpr size_t kCacheLine = 64;

// The instruction takes three cycles, and one can start each cycle: three lanes keep it busy. The
// processor foresees one way through a page, not three, so the next round is asked for here: bytes
// that are in no cache come twice as fast. Asking for what lies behind the end does no harm.
template <size_t kLane>
__attribute__((target("sse4.2"))) uint32_t update_three_lanes(uint32_t crc,
                                                              const unsigned char*& data,
                                                              size_t& bytes) {
  static const Shift<kLane> shift;
  for (; bytes >= 3 * kLane; data += 3 * kLane, bytes -= 3 * kLane) {
    uint64_t first = crc, second = 0, third = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      if (i % kCacheLine == 0) {
        for (size_t lane = 0; lane < 3; ++lane) {
          _mm_prefetch(data + (3 + lane) * kLane + i, _MM_HINT_T0);
        }
      }
      first = _mm_crc32_u64(first, load_word(data + i));
      second = _mm_crc32_u64(second, load_word(data + kLane + i));
      third = _mm_crc32_u64(third, load_word(data + 2 * kLane + i));
    }
    crc = shift(static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
    crc = shift(crc) ^ static_cast<uint32_t>(third);
  }
  return crc;
}

uint32_t update_sse42(uint32_t crc, const unsigned char* data, size_t bytes) {
  crc = update_three_lanes<1024>(crc, data, bytes);
  crc = update_three_lanes<128>(crc, data, bytes);
  return update_one_lane(crc, data, bytes);
}
#endif

}  // namespace

uint32_t crc32c(const void* data, size_t bytes, uint32_t before) {
  const auto* p = static_cast<const unsigned char*>(data);
  const uint32_t crc = ~before;
#if defined(__x86_64__)
  static const bool kHardware = __builtin_cpu_supports("sse4.2");
  if (kHardware) return ~update_sse42(crc, p, bytes);
#endif
  return ~update_portable(crc, p, bytes);
}

uint32_t crc32c_portable(const void* data, size_t bytes, uint32_t before) {
  return ~update_portable(~before, static_cast<const unsigned char*>(data), bytes);
}

}  // namespace ncscope
