#include "server/core/incoming.h"

#include "proto/convert/crc32c.h"

namespace ncscope::server {

uint32_t content_checksum(const IncomingBatch& batch) {
  uint32_t checksum = 0;
  for (const auto& part : {batch.labels, batch.predictions, batch.sample_ids, batch.features}) {
    checksum = crc32c(part.data(), part.size(), checksum);
  }
  return checksum;
}

}  // namespace ncscope::server
