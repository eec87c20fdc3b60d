// Requests and answers of a stream, whatever brought them.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/admission.h"
#include "ncscope/v1/report.pb.h"

namespace ncscope::server {

// A batch that a transport has admitted, or would not.
struct IncomingBatch {
  uint64_t sequence = 0;
  std::optional<uint32_t> crc32c;  // that the sender says the content has
  // CRC-32C of the content as it came: labels, predictions, sample_ids, features, in this order.
  uint32_t checksum = 0;
  size_t bytes = 0;                              // of the content
  std::vector<uint64_t> sample_ids;              // [rows], or empty
  std::shared_ptr<const AdmittedBatch> samples;  // null where admission refuses
  std::exception_ptr refusal;                    // what it says then

  // Throws what admission says.
  const std::shared_ptr<const AdmittedBatch>& admitted() const;
};

// Checksum of the content. Throws DataLoss where the sender says another one.
uint32_t content_checksum(const IncomingBatch& batch);

struct CloseResult {
  uint32_t closed_ranks = 0;
  uint32_t world_size = 0;
  std::shared_ptr<const v1::Report> report;  // null while ranks are missing
};

}  // namespace ncscope::server
