// libFuzzer target: the dictionary of a .npy header.
#include "client/files/npy_header.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto header = ncscope::files::parse_npy_dictionary(text);
    uint64_t bytes = header.type.bytes;
    for (const uint64_t dim : header.shape) bytes *= dim;
    if (bytes != header.data_bytes) __builtin_trap();
  } catch (const ncscope::InvalidArgument&) {
  }
  return 0;
}
