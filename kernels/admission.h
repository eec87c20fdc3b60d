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

// Batch bytes, checked and owned; `view()` reads them. Movable.
class AdmittedBatch {
 public:
  Batch view() const;
  const Dropped& dropped() const { return dropped_; }
  // Bytes of memory held.
  size_t bytes() const;

 private:
  friend AdmittedBatch admit(const RawBatch&, const BatchSpec&);
  std::unique_ptr<std::byte[]> features_;
  size_t feature_bytes_ = 0;
  std::vector<int32_t> labels_;
  std::vector<int32_t> predictions_;
  DType type_ = DType::kFloat32;
  size_t dim_ = 0;
  Dropped dropped_;
};

// Checks byte counts, labels and predictions (in [0, K)) and that every feature is finite and of a
// usable size (finite.h), copying the features in the same pass. Features of ignored rows may be
// anything. Rows that are dropped stay in the batch, labelled kDroppedRow; those with a feature
// that is not taken become zeros. Throws InvalidArgument, naming expected and got: byte counts, or
// row and value of the first bad label, or row and column of the first feature that is not taken;
// OutOfMemory where the copy does not fit.
AdmittedBatch admit(const RawBatch& raw, const BatchSpec& spec);

}  // namespace ncscope
