// A copy of a batch, for callers whose memory changes.
#pragma once

#include <cstdint>
#include <memory>

#include "client/recycler.h"
#include "client/series.h"

namespace ncscope::client {

struct BatchCopy {
  BatchBytes bytes;
  uint32_t crc32c = 0;
  std::shared_ptr<const void> owner;  // of the memory that `bytes` refers to
};

// Copies into memory that is used again.
class BatchCopier {
 public:
  // Takes the checksum on the way, so that the bytes are read once from main memory.
  BatchCopy copy(const BatchBytes& batch);

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> data;
    size_t capacity = 0;
  };
  Recycler<Buffer> buffers_;
};

}  // namespace ncscope::client
