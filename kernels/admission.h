// Admission of a batch: checks raw bytes against a series before anything is applied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/batch.h"

namespace ncscope {

enum class LabelWidth { kInt32, kInt64 };

// What the batches of a series look like.
struct BatchSpec {
  size_t num_classes = 0;  // K
  size_t dim = 0;          // d
  DType type = DType::kFloat32;
  LabelWidth label_width = LabelWidth::kInt64;
  bool skip_nonfinite = false;  // drop rows with a feature that is not taken, not refuse them
  int64_t ignore_index = -100;  // rows with this label are dropped
};

// Rows that admission dropped.
struct Dropped {
  uint64_t nonfinite = 0;
  uint64_t ignored = 0;
};

// Raw bytes of a batch as they came, little-endian.
struct RawBatch {
  size_t rows = 0;
  std::span<const std::byte> features;     // [rows, dim]
  std::span<const std::byte> labels;       // [rows]
  std::span<const std::byte> predictions;  // [rows] or empty
};

// How many bytes of each there are.
struct RawSizes {
  size_t rows = 0;
  size_t features = 0;
  size_t labels = 0;
  size_t predictions = 0;
};

// Memory for an admitted batch; its owner gets it back from the last one who lets go.
using BatchMemory = std::shared_ptr<std::byte[]>;

// Alignment that BatchMemory must have.
inline constexpr size_t kBatchAlignment = 64;

// Memory from the heap. Throws OutOfMemory.
BatchMemory new_batch_memory(size_t bytes);

// Batch bytes, checked and owned; `view()` reads them. Copies share the bytes.
class AdmittedBatch {
 public:
  Batch view() const;
  const Dropped& dropped() const { return dropped_; }
  // Bytes of memory held.
  size_t bytes() const { return bytes_; }

 private:
  friend class Admission;
  int32_t* labels() const;
  int32_t* predictions() const;

  BatchMemory memory_;  // [features, labels as int32, predictions as int32], each aligned
  size_t bytes_ = 0;
  size_t rows_ = 0;
  size_t dim_ = 0;
  DType type_ = DType::kFloat32;
  bool has_predictions_ = false;
  Dropped dropped_;
};

// Admits a batch whose bytes come in pieces, cut anywhere, in one pass with the copy: first all
// labels, then all predictions, then all features. Refuses as admit() says. Movable.
class Admission {
 public:
  // Checks the byte counts; returns the bytes of memory that the admitted batch takes.
  static size_t bytes_needed(const RawSizes& sizes, const BatchSpec& spec);

  // `memory` is of bytes_needed(), aligned to kBatchAlignment.
  Admission(const RawSizes& sizes, const BatchSpec& spec, BatchMemory memory);

  void labels(std::span<const std::byte> piece);
  void predictions(std::span<const std::byte> piece);
  void features(std::span<const std::byte> piece);

  // After the last piece.
  AdmittedBatch finish();

 private:
  // Bytes of an element that was cut by the end of a piece.
  struct Cut {
    std::byte bytes[sizeof(int64_t)];
    size_t size = 0;
  };

  void add_labels(std::span<const std::byte> whole);
  void add_predictions(std::span<const std::byte> whole);
  // Checks what stands in memory again, by rows.
  void settle_rows();
  void settle_row(size_t row);

  BatchSpec spec_;
  RawSizes sizes_;
  AdmittedBatch batch_;
  Cut cut_;
  size_t labels_taken_ = 0;          // rows
  size_t predictions_taken_ = 0;     // rows
  size_t features_taken_ = 0;        // bytes
  size_t suspect_begin_ = SIZE_MAX;  // bytes of features among which some are not taken
  size_t suspect_end_ = 0;
};

// Checks byte counts, labels and predictions (in [0, K)) and that every feature is finite and of a
// usable size (finite.h), copying the features in the same pass. Features of ignored rows may be
// anything. Rows that are dropped stay in the batch, labelled kDroppedRow; those with a feature
// that is not taken become zeros. Throws InvalidArgument, naming expected and got: byte counts, or
// row and value of the first bad label, or row and column of the first feature that is not taken;
// OutOfMemory where the copy does not fit.
AdmittedBatch admit(const RawBatch& raw, const BatchSpec& spec);

}  // namespace ncscope
