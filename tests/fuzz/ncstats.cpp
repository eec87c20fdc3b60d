// libFuzzer target: a .ncstats file. Checksums of records are made right first, since no mutation
// would get past them.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"
#include "proto/convert/statistics_file.h"
#include "tests/support/arrays.h"

namespace {

constexpr size_t kMagicBytes = 8;
constexpr size_t kRecordHeaderBytes = 8;  // length, checksum

void repair_checksums(std::string& file) {
  for (size_t at = kMagicBytes; at + kRecordHeaderBytes <= file.size();) {
    uint32_t length = 0;
    std::memcpy(&length, file.data() + at, sizeof length);
    const size_t body = at + kRecordHeaderBytes;
    if (length > file.size() - body) return;
    const uint32_t checksum = ncscope::crc32c(file.data() + body, length);
    std::memcpy(file.data() + at + 4, &checksum, sizeof checksum);
    at = body + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ncscope::testing::MemoryFile memory;
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  static_cast<void>(quiet);
  std::string file(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[size - 1] % 4 != 0) repair_checksums(file);
  memory.write(file);
  try {
    ncscope::load_statistics(memory.path()).statistics.check();
  } catch (const ncscope::Error&) {
  }
  return 0;
}
