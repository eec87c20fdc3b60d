#include "server/receive/admit_batch.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"

namespace ncscope::server {
namespace {

// What is copied is still in the first cache when its checksum is taken.
constexpr size_t kBlockBytes = 12 << 10;

RawSizes sizes_of(const BatchFields& fields) {
  return {fields.rows, fields.features.size(), fields.labels.size(), fields.predictions.size()};
}

uint32_t add_checksum(const PieceRun& run, uint32_t before) {
  run.for_each(kBlockBytes,
               [&](Piece piece) { before = crc32c(piece.data(), piece.size(), before); });
  return before;
}

uint32_t checksum_of(const BatchFields& fields) {
  uint32_t checksum = 0;
  for (const PieceRun* run :
       {&fields.labels, &fields.predictions, &fields.sample_ids, &fields.features}) {
    checksum = add_checksum(*run, checksum);
  }
  return checksum;
}

std::vector<uint64_t> read_sample_ids(const BatchFields& fields) {
  if (fields.sample_ids.empty()) return {};
  const size_t expected = size_t{fields.rows} * sizeof(uint64_t);
  if (fields.sample_ids.size() != expected) {
    throw InvalidArgument("Batch: expected " + std::to_string(expected) +
                          " bytes of sample_ids for " + std::to_string(fields.rows) +
                          " rows, got " + std::to_string(fields.sample_ids.size()));
  }
  std::vector<uint64_t> ids(fields.rows);
  auto* to = reinterpret_cast<std::byte*>(ids.data());
  fields.sample_ids.for_each(SIZE_MAX, [&](Piece piece) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  });
  return ids;
}

AdmittedBatch admit_content(const BatchFields& fields, const BatchSpec& spec, BatchMemory memory,
                            uint32_t& checksum) {
  Admission admission(sizes_of(fields), spec, std::move(memory));
  const auto add = [&](const PieceRun& run, auto take) {
    run.for_each(kBlockBytes, [&](Piece piece) {
      (admission.*take)(piece);
      checksum = crc32c(piece.data(), piece.size(), checksum);
    });
  };
  add(fields.labels, &Admission::labels);
  add(fields.predictions, &Admission::predictions);
  checksum = add_checksum(fields.sample_ids, checksum);
  add(fields.features, &Admission::features);
  return admission.finish();
}

}  // namespace

size_t admitted_bytes(const BatchFields& fields, const BatchSpec& spec) {
  try {
    return Admission::bytes_needed(sizes_of(fields), spec);
  } catch (const InvalidArgument&) {
    return 0;
  }
}

IncomingBatch admit_batch(const BatchFields& fields, const BatchSpec& spec,
                          const MakeBatchMemory& make_memory) {
  IncomingBatch batch;
  batch.sequence = fields.sequence;
  batch.crc32c = fields.crc32c;
  batch.bytes = fields.sample_ids.size() + fields.predictions.size() + fields.labels.size() +
                fields.features.size();
  try {
    if (fields.rows == 0) throw InvalidArgument("Batch: expected at least 1 row, got 0");
    batch.sample_ids = read_sample_ids(fields);
    const size_t bytes = Admission::bytes_needed(sizes_of(fields), spec);
    batch.samples = std::make_shared<const AdmittedBatch>(
        admit_content(fields, spec, make_memory(bytes), batch.checksum));
  } catch (...) {
    batch.refusal = std::current_exception();
    batch.checksum = checksum_of(fields);
  }
  return batch;
}

}  // namespace ncscope::server
