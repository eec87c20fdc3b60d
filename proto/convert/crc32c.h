// CRC-32C (Castagnoli, RFC 3720, appendix B.4); hardware instructions where present.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ncscope {

// Checksum of `data`, continuing from the checksum of what came before it (0 at the start).
uint32_t crc32c(const void* data, size_t bytes, uint32_t before = 0);

// The same without special instructions.
uint32_t crc32c_portable(const void* data, size_t bytes, uint32_t before = 0);

}  // namespace ncscope
