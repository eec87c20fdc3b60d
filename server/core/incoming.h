// Requests and answers of a stream, whatever brought them. Spans are valid during the call only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "ncscope/v1/report.pb.h"

namespace ncscope::server {

// A batch as it came, little-endian.
struct IncomingBatch {
  uint64_t sequence = 0;
  uint32_t rows = 0;
  std::optional<uint32_t> crc32c;  // of labels, predictions, sample_ids, features, in this order
  std::span<const std::byte> sample_ids;
  std::span<const std::byte> predictions;
  std::span<const std::byte> labels;
  std::span<const std::byte> features;

  size_t bytes() const {
    return sample_ids.size() + predictions.size() + labels.size() + features.size();
  }
};

// Checksum of the content, in the order of `crc32c`. Throws DataLoss where that is another one.
uint32_t content_checksum(const IncomingBatch& batch);

struct CloseResult {
  uint32_t closed_ranks = 0;
  uint32_t world_size = 0;
  std::shared_ptr<const v1::Report> report;  // null while ranks are missing
};

}  // namespace ncscope::server
