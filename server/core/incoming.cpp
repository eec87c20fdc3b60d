#include "server/core/incoming.h"

#include <string>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"

namespace ncscope::server {

uint32_t content_checksum(const IncomingBatch& batch) {
  uint32_t checksum = 0;
  for (const auto& part : {batch.labels, batch.predictions, batch.sample_ids, batch.features}) {
    checksum = crc32c(part.data(), part.size(), checksum);
  }
  if (batch.crc32c && *batch.crc32c != checksum) {
    throw DataLoss("Batch " + std::to_string(batch.sequence) + ": expected CRC-32C " +
                   std::to_string(*batch.crc32c) + ", got " + std::to_string(checksum));
  }
  return checksum;
}

}  // namespace ncscope::server
