// What an epoch log consists of: records of a header and a body, each with its checksum.
//
//   header   magic, type, body bytes (uint64), CRC-32C of the body, CRC-32C of the header before it
//   body     by type; see below. Little-endian, as everything.
//
// A log begins with an open record. A record that is cut short, or whose checksum differs, ends the
// log: nothing behind it is read. Behind a checkpoint follow samples of what it stands for; one
// that is damaged is passed over, since the sums do not depend on it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/admission.h"
#include "server/core/classifier_upload.h"

namespace ncscope::server {

enum class RecordType : uint32_t {
  kOpen = 1,        // a serialised v1::Open: what the rank streams
  kBatch = 2,       // a batch as it was applied
  kClassifier = 3,  // an array of the classifier
  kClose = 4,       // the rank has sent everything
  kState = 5,       // the rank is closed by a state, which lies in a file beside the log
  kCheckpoint = 6,  // what the first batches came to, in their place; behind the opening
  kSample = 7,      // a batch that a checkpoint stands for, kept for the second look
  kDecided = 8,     // as kState, with decisions in the file, which older versions cannot read
};

struct RecordHeader {
  uint32_t magic;
  uint32_t type;
  uint64_t body_bytes;
  uint32_t body_crc;
  uint32_t header_crc;
};
static_assert(sizeof(RecordHeader) == 24);

// Spans that make up a body, one after the other.
using BodyParts = std::vector<std::span<const std::byte>>;

// The header of a body that comes piece by piece.
class RecordSeal {
 public:
  void add(std::span<const std::byte> piece);
  RecordHeader header(RecordType type) const;

 private:
  uint64_t bytes_ = 0;
  uint32_t crc_ = 0;
};

RecordHeader make_header(RecordType type, const BodyParts& body);
// Nothing where the checksum or the magic is wrong. Throws Error for a type that only a newer
// version knows: a log that must not be touched.
std::optional<RecordType> check_header(const RecordHeader& header);

// A batch after admission: labels are kDroppedRow where a row was dropped, for whatever reason.
struct BatchRecord {
  uint64_t sequence = 0;
  uint32_t checksum = 0;  // of the content as it came
  Dropped dropped;
  uint64_t duplicates = 0;               // rows whose sample came before
  Batch batch;                           // of `type` and `dim` of the series
  std::span<const uint64_t> sample_ids;  // [rows], or empty
};

// One array of the classifier.
struct ClassifierRecord {
  ClassifierArray array = ClassifierArray::kWeight;
  bool drops_bias = false;  // a weight that takes the bias of the one before with it
  std::span<const double> values;
};

struct CloseRecord {
  uint64_t batches = 0;
  bool partial = false;
};

struct StateRecord {
  uint32_t digest = 0;
};

// What batches came to.
struct CheckpointRecord {
  uint64_t duplicates = 0;  // rows whose sample came before
  bool has_predictions = false;
  uint32_t sample_level = 0;             // of in_sample(), of the samples that follow
  std::span<const uint64_t> sample_ids;  // that came in them
  std::span<const uint32_t> checksums;   // [batches] of their content as it came
};

// As it is read: an image of the accumulator follows the rest of the body.
struct ReadCheckpoint {
  uint64_t duplicates = 0;
  bool has_predictions = false;
  uint32_t sample_level = 0;
  std::vector<uint64_t> sample_ids;
  std::vector<uint32_t> checksums;
  uint64_t image_offset = 0;  // in the body
};

// Gives `bytes` of a body from an offset on.
using ReadBody = std::function<void(uint64_t offset, void* out, size_t bytes)>;

// Writers keep what parts() refers to until it is written.
class BatchBody {
 public:
  explicit BatchBody(const BatchRecord& record);
  BatchBody(const BatchBody&) = delete;
  const BodyParts& parts() const { return parts_; }

 private:
  std::array<uint64_t, 7> fixed_;
  BodyParts parts_;
};

class ClassifierBody {
 public:
  explicit ClassifierBody(const ClassifierRecord& record);
  ClassifierBody(const ClassifierBody&) = delete;
  const BodyParts& parts() const { return parts_; }

 private:
  std::array<uint64_t, 2> fixed_;
  BodyParts parts_;
};

class SmallBody {
 public:
  explicit SmallBody(const CloseRecord& record);
  explicit SmallBody(const StateRecord& record);
  SmallBody(const SmallBody&) = delete;
  const BodyParts& parts() const { return parts_; }

 private:
  std::array<uint64_t, 2> fixed_;
  BodyParts parts_;
};

// What comes before the image, which is left out here.
class CheckpointBody {
 public:
  explicit CheckpointBody(const CheckpointRecord& record);
  CheckpointBody(const CheckpointBody&) = delete;
  const BodyParts& parts() const { return parts_; }

 private:
  std::array<uint64_t, 5> fixed_;
  BodyParts parts_;
};

// Readers: views into `body`, which is aligned to 8 bytes. Throw DataLoss where sizes do not fit.
BatchRecord parse_batch(std::span<const std::byte> body, DType type, size_t dim);
ClassifierRecord parse_classifier(std::span<const std::byte> body);
CloseRecord parse_close(std::span<const std::byte> body);
StateRecord parse_state(std::span<const std::byte> body);
ReadCheckpoint read_checkpoint(uint64_t body_bytes, const ReadBody& read);

}  // namespace ncscope::server
