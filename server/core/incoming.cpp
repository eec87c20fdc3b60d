#include "server/core/incoming.h"

#include <string>

#include "kernels/errors.h"

namespace ncscope::server {

const std::shared_ptr<const AdmittedBatch>& IncomingBatch::admitted() const {
  if (refusal) std::rethrow_exception(refusal);
  return samples;
}

uint32_t content_checksum(const IncomingBatch& batch) {
  if (batch.crc32c && *batch.crc32c != batch.checksum) {
    throw DataLoss("Batch " + std::to_string(batch.sequence) + ": expected CRC-32C " +
                   std::to_string(*batch.crc32c) + ", got " + std::to_string(batch.checksum));
  }
  return batch.checksum;
}

}  // namespace ncscope::server
