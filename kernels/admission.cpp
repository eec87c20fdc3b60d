#include "kernels/admission.h"

#include <cmath>
#include <cstring>
#include <new>

#include "kernels/device_checks.h"
#include "kernels/finite.h"

namespace ncscope {
namespace {

void require_bytes(const char* what, size_t rows, size_t row_bytes, size_t got) {
  size_t expected = 0;
  const bool overflows = __builtin_mul_overflow(rows, row_bytes, &expected);
  if (!overflows && expected == got) return;
  check::require("admit", false,
                 (overflows ? std::string("more bytes than 64 bits can count")
                            : std::to_string(expected) + " bytes") +
                     " of " + what + " for " + std::to_string(rows) + " rows",
                 std::to_string(got));
}

int64_t label_at(std::span<const std::byte> bytes, LabelWidth width, size_t row) {
  if (width == LabelWidth::kInt32) {
    int32_t value = 0;
    std::memcpy(&value, bytes.data() + row * sizeof(value), sizeof(value));
    return value;
  }
  int64_t value = 0;
  std::memcpy(&value, bytes.data() + row * sizeof(value), sizeof(value));
  return value;
}

std::string row_text(size_t row) { return " in row " + std::to_string(row); }

// Labels as int32; kDroppedRow for ignore_index.
std::vector<int32_t> read_labels(const RawBatch& raw, const BatchSpec& spec, Dropped& dropped) {
  std::vector<int32_t> labels(raw.rows);
  for (size_t r = 0; r < raw.rows; ++r) {
    const int64_t value = label_at(raw.labels, spec.label_width, r);
    if (value == spec.ignore_index) {
      labels[r] = kDroppedRow;
      ++dropped.ignored;
    } else if (value >= 0 && static_cast<uint64_t>(value) < spec.num_classes) {
      labels[r] = static_cast<int32_t>(value);
    } else {
      check::require("admit", false,
                     "labels in [0, " + std::to_string(spec.num_classes) + ") or " +
                         std::to_string(spec.ignore_index),
                     std::to_string(value) + row_text(r));
    }
  }
  return labels;
}

std::vector<int32_t> read_predictions(const RawBatch& raw, const BatchSpec& spec) {
  if (raw.predictions.empty()) return {};
  std::vector<int32_t> predictions(raw.rows);
  for (size_t r = 0; r < raw.rows; ++r) {
    const int64_t value = label_at(raw.predictions, spec.label_width, r);
    if (value < 0 || static_cast<uint64_t>(value) >= spec.num_classes) {
      check::require("admit", false, "predictions in [0, " + std::to_string(spec.num_classes) + ")",
                     std::to_string(value) + row_text(r));
    }
    predictions[r] = static_cast<int32_t>(value);
  }
  return predictions;
}

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+infinity" : "-infinity";
  return check::number_text(value);
}

// Names the first feature of a row that is not taken.
void refuse_row(DType type, const std::byte* row, size_t dim, size_t r) {
  const size_t column = first_refused(type, row, dim);
  double value = 0;
  convert(type, row + column * dtype_size(type), 1, &value);
  check::require("admit", false, expected_features(type),
                 value_text(value) + row_text(r) + ", column " + std::to_string(column));
}

}  // namespace

Batch AdmittedBatch::view() const {
  Batch batch;
  batch.features = features_.get();
  batch.type = type_;
  batch.rows = labels_.size();
  batch.dim = dim_;
  batch.labels = labels_.data();
  batch.predictions = predictions_.empty() ? nullptr : predictions_.data();
  return batch;
}

size_t AdmittedBatch::bytes() const {
  return feature_bytes_ + (labels_.capacity() + predictions_.capacity()) * sizeof(int32_t);
}

AdmittedBatch admit(const RawBatch& raw, const BatchSpec& spec) {
  check::require("admit",
                 spec.num_classes > 0 && spec.num_classes <= INT32_MAX && spec.dim > 0 &&
                     spec.dim <= INT32_MAX,
                 "K and d in [1, 2147483647]", check::shape_text(spec.num_classes, spec.dim));
  const size_t row_bytes = spec.dim * dtype_size(spec.type);
  const size_t label_bytes =
      spec.label_width == LabelWidth::kInt32 ? sizeof(int32_t) : sizeof(int64_t);
  require_bytes("features", raw.rows, row_bytes, raw.features.size());
  require_bytes("labels", raw.rows, label_bytes, raw.labels.size());
  if (!raw.predictions.empty()) {
    require_bytes("predictions", raw.rows, label_bytes, raw.predictions.size());
  }
  AdmittedBatch out;
  out.type_ = spec.type;
  out.dim_ = spec.dim;
  try {
    out.labels_ = read_labels(raw, spec, out.dropped_);
    out.predictions_ = read_predictions(raw, spec);
    out.features_ = std::make_unique_for_overwrite<std::byte[]>(raw.features.size());
  } catch (const std::bad_alloc&) {
    throw OutOfMemory("admit: no memory for " + std::to_string(raw.features.size()) +
                      " bytes of features");
  }
  out.feature_bytes_ = raw.features.size();
  for (size_t r = 0; r < raw.rows; ++r) {
    const std::byte* const in = raw.features.data() + r * row_bytes;
    std::byte* const copy = out.features_.get() + r * row_bytes;
    if (copy_finite(spec.type, in, spec.dim, copy)) continue;
    const bool ignored = out.labels_[r] == kDroppedRow;
    if (!ignored && !spec.skip_nonfinite) refuse_row(spec.type, in, spec.dim, r);
    // Zeros, so that no product with a dropped row spreads a NaN.
    std::memset(copy, 0, row_bytes);
    if (ignored) continue;
    out.labels_[r] = kDroppedRow;
    ++out.dropped_.nonfinite;
  }
  return out;
}

}  // namespace ncscope
