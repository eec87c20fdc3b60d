#include "client/rpc/batch_copy.h"

#include <algorithm>
#include <cstring>

#include "proto/convert/crc32c.h"

namespace ncscope::client {
namespace {

// A block is in the first cache when its checksum is taken.
constexpr size_t kBlockBytes = size_t{16} << 10;

uint32_t copy_block_by_block(std::span<const std::byte> from, std::byte* to, uint32_t checksum) {
  for (size_t offset = 0; offset < from.size(); offset += kBlockBytes) {
    const size_t bytes = std::min(kBlockBytes, from.size() - offset);
    std::memcpy(to + offset, from.data() + offset, bytes);
    checksum = crc32c(to + offset, bytes, checksum);
  }
  return checksum;
}

}  // namespace

BatchCopy BatchCopier::copy(const BatchBytes& batch) {
  const size_t bytes = batch.labels.size() + batch.predictions.size() + batch.sample_ids.size() +
                       batch.features.size();
  auto buffer = buffers_.take();
  if (buffer->capacity < bytes) {
    buffer->data = std::make_unique_for_overwrite<std::byte[]>(bytes);
    buffer->capacity = bytes;
  }
  BatchCopy copy;
  copy.bytes.rows = batch.rows;
  std::byte* end = buffer->data.get();
  const auto append = [&](std::span<const std::byte> from) -> std::span<const std::byte> {
    copy.crc32c = copy_block_by_block(from, end, copy.crc32c);
    end += from.size();
    return {end - from.size(), from.size()};
  };
  copy.bytes.labels = append(batch.labels);  // in the order of the checksum
  copy.bytes.predictions = append(batch.predictions);
  copy.bytes.sample_ids = append(batch.sample_ids);
  copy.bytes.features = append(batch.features);
  copy.owner = std::move(buffer);
  return copy;
}

}  // namespace ncscope::client
