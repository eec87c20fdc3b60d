#include "server/log/record.h"

#include <bit>
#include <cstring>

#include "kernels/errors.h"
#include "proto/convert/crc32c.h"

namespace ncscope::server {
namespace {

static_assert(std::endian::native == std::endian::little, "records are written as they are");

constexpr uint32_t kMagic = 0x4c53434e;  // "NCSL"
constexpr uint64_t kHasPredictions = 1;
constexpr uint64_t kHasSampleIds = 2;

template <class T>
std::span<const std::byte> bytes_of(const T* data, size_t count) {
  return std::as_bytes(std::span(data, count));
}

uint32_t header_checksum(const RecordHeader& header) {
  return crc32c(&header, offsetof(RecordHeader, header_crc));
}

[[noreturn]] void refuse(const char* what, size_t expected, size_t got) {
  throw DataLoss(std::string("log: expected ") + what + " record of " + std::to_string(expected) +
                 " bytes, got " + std::to_string(got));
}

template <size_t N>
std::array<uint64_t, N> fixed_part(std::span<const std::byte> body, const char* what) {
  std::array<uint64_t, N> fixed;
  if (body.size() < sizeof(fixed)) refuse(what, sizeof(fixed), body.size());
  std::memcpy(fixed.data(), body.data(), sizeof(fixed));
  return fixed;
}

}  // namespace

void RecordSeal::add(std::span<const std::byte> piece) {
  bytes_ += piece.size();
  crc_ = crc32c(piece.data(), piece.size(), crc_);
}

RecordHeader RecordSeal::header(RecordType type) const {
  RecordHeader header{kMagic, static_cast<uint32_t>(type), bytes_, crc_, 0};
  header.header_crc = header_checksum(header);
  return header;
}

RecordHeader make_header(RecordType type, const BodyParts& body) {
  RecordSeal seal;
  for (const auto& part : body) seal.add(part);
  return seal.header(type);
}

std::optional<RecordType> check_header(const RecordHeader& header) {
  if (header.magic != kMagic || header.header_crc != header_checksum(header)) return std::nullopt;
  if (header.type < static_cast<uint32_t>(RecordType::kOpen) ||
      header.type > static_cast<uint32_t>(RecordType::kDecided)) {
    throw Error("log: a record of type " + std::to_string(header.type) +
                " is of a newer version of ncscope: start that one to go on");
  }
  return static_cast<RecordType>(header.type);
}

BatchBody::BatchBody(const BatchRecord& record) {
  const Batch& batch = record.batch;
  const uint64_t flags = (batch.predictions != nullptr ? kHasPredictions : 0) |
                         (record.sample_ids.empty() ? 0 : kHasSampleIds);
  fixed_ = {record.sequence,          record.checksum,        batch.rows,       flags,
            record.dropped.nonfinite, record.dropped.ignored, record.duplicates};
  parts_.push_back(bytes_of(fixed_.data(), fixed_.size()));
  parts_.push_back(std::as_bytes(record.sample_ids));
  parts_.push_back(bytes_of(batch.labels, batch.rows));
  if (batch.predictions != nullptr) parts_.push_back(bytes_of(batch.predictions, batch.rows));
  parts_.push_back({static_cast<const std::byte*>(batch.features),
                    batch.rows * batch.dim * dtype_size(batch.type)});
}

BatchRecord parse_batch(std::span<const std::byte> body, DType type, size_t dim) {
  const auto fixed = fixed_part<7>(body, "a batch");
  BatchRecord record;
  record.sequence = fixed[0];
  record.checksum = static_cast<uint32_t>(fixed[1]);
  record.dropped = {fixed[4], fixed[5]};
  record.duplicates = fixed[6];
  const size_t rows = fixed[2];
  const bool has_predictions = (fixed[3] & kHasPredictions) != 0;
  const bool has_ids = (fixed[3] & kHasSampleIds) != 0;
  const size_t row_bytes = dim * dtype_size(type) + sizeof(int32_t) * (has_predictions ? 2 : 1) +
                           (has_ids ? sizeof(uint64_t) : 0);
  if (rows > body.size() || rows * row_bytes != body.size() - sizeof(fixed)) {
    refuse("a batch", sizeof(fixed) + rows * row_bytes, body.size());
  }
  const std::byte* next = body.data() + sizeof(fixed);
  if (has_ids) {
    record.sample_ids = {reinterpret_cast<const uint64_t*>(next), rows};
    next += rows * sizeof(uint64_t);
  }
  record.batch.labels = reinterpret_cast<const int32_t*>(next);
  next += rows * sizeof(int32_t);
  if (has_predictions) {
    record.batch.predictions = reinterpret_cast<const int32_t*>(next);
    next += rows * sizeof(int32_t);
  }
  record.batch.features = next;
  record.batch.type = type;
  record.batch.rows = rows;
  record.batch.dim = dim;
  return record;
}

ClassifierBody::ClassifierBody(const ClassifierRecord& record)
    : fixed_{static_cast<uint64_t>(record.array), record.drops_bias ? 1u : 0u} {
  parts_.push_back(bytes_of(fixed_.data(), fixed_.size()));
  parts_.push_back(std::as_bytes(record.values));
}

ClassifierRecord parse_classifier(std::span<const std::byte> body) {
  const auto fixed = fixed_part<2>(body, "a classifier");
  const size_t bytes = body.size() - sizeof(fixed);
  if (fixed[0] > 1 || bytes % sizeof(double) != 0) refuse("a classifier", sizeof(fixed), bytes);
  return {static_cast<ClassifierArray>(fixed[0]),
          fixed[1] != 0,
          {reinterpret_cast<const double*>(body.data() + sizeof(fixed)), bytes / sizeof(double)}};
}

SmallBody::SmallBody(const CloseRecord& record)
    : fixed_{record.batches, record.partial ? 1u : 0u},
      parts_{bytes_of(fixed_.data(), fixed_.size())} {}

SmallBody::SmallBody(const StateRecord& record)
    : fixed_{record.digest, 0}, parts_{bytes_of(fixed_.data(), fixed_.size())} {}

CloseRecord parse_close(std::span<const std::byte> body) {
  const auto fixed = fixed_part<2>(body, "a close");
  return {fixed[0], fixed[1] != 0};
}

StateRecord parse_state(std::span<const std::byte> body) {
  return {static_cast<uint32_t>(fixed_part<2>(body, "a state")[0])};
}

CheckpointBody::CheckpointBody(const CheckpointRecord& record)
    : fixed_{record.checksums.size(), record.has_predictions ? kHasPredictions : 0,
             record.duplicates, record.sample_ids.size(), record.sample_level} {
  parts_.push_back(bytes_of(fixed_.data(), fixed_.size()));
  parts_.push_back(std::as_bytes(record.sample_ids));
  parts_.push_back(std::as_bytes(record.checksums));
}

ReadCheckpoint read_checkpoint(uint64_t body_bytes, const ReadBody& read) {
  std::array<uint64_t, 5> fixed{};
  if (body_bytes < sizeof(fixed)) refuse("a checkpoint", sizeof(fixed), body_bytes);
  read(0, fixed.data(), sizeof(fixed));
  const uint64_t batches = fixed[0];
  const uint64_t ids = fixed[3];
  const uint64_t left = body_bytes - sizeof(fixed);
  if (batches > left || ids > left || batches * sizeof(uint32_t) + ids * sizeof(uint64_t) > left) {
    refuse("a checkpoint", sizeof(fixed) + batches * sizeof(uint32_t) + ids * sizeof(uint64_t),
           body_bytes);
  }
  ReadCheckpoint record;
  record.has_predictions = (fixed[1] & kHasPredictions) != 0;
  record.duplicates = fixed[2];
  if (fixed[4] > 63) {
    throw DataLoss("log: expected a checkpoint with samples of a level of at most 63, got " +
                   std::to_string(fixed[4]));
  }
  record.sample_level = static_cast<uint32_t>(fixed[4]);
  record.sample_ids.resize(ids);
  record.checksums.resize(batches);
  record.image_offset = sizeof(fixed);
  const auto take = [&](auto& values) {
    const size_t bytes = values.size() * sizeof(values[0]);
    read(record.image_offset, values.data(), bytes);
    record.image_offset += bytes;
  };
  take(record.sample_ids);
  take(record.checksums);
  return record;
}

}  // namespace ncscope::server
