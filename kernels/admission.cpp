#include "kernels/admission.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

#include "kernels/device_checks.h"
#include "kernels/finite.h"

namespace ncscope {
namespace {

size_t width_of(LabelWidth width) {
  return width == LabelWidth::kInt32 ? sizeof(int32_t) : sizeof(int64_t);
}

size_t aligned(size_t bytes) {
  return (bytes + kBatchAlignment - 1) / kBatchAlignment * kBatchAlignment;
}

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

// Hands on the whole elements of what comes in pieces.
template <class Cut, class Take>
void take_whole(Cut& cut, std::span<const std::byte> piece, size_t width, const Take& take) {
  if (cut.size > 0) {
    const size_t rest = std::min(width - cut.size, piece.size());
    std::memcpy(cut.bytes + cut.size, piece.data(), rest);
    cut.size += rest;
    piece = piece.subspan(rest);
    if (cut.size < width) return;
    cut.size = 0;
    take(std::span<const std::byte>(cut.bytes, width));
  }
  const size_t whole = piece.size() / width * width;
  if (whole > 0) take(piece.first(whole));
  cut.size = piece.size() - whole;
  if (cut.size > 0) std::memcpy(cut.bytes, piece.data() + whole, cut.size);
}

template <class T>
int64_t element(std::span<const std::byte> bytes, size_t i) {
  T value = 0;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

std::string row_text(size_t row) { return " in row " + std::to_string(row); }

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+infinity" : "-infinity";
  return check::number_text(value);
}

// Labels as int32, kDroppedRow for ignore_index; returns how many of those.
template <class T>
uint64_t read_labels(std::span<const std::byte> in, const BatchSpec& spec, size_t first_row,
                     int32_t* out) {
  uint64_t ignored = 0;
  for (size_t i = 0; i < in.size() / sizeof(T); ++i) {
    const int64_t value = element<T>(in, i);
    if (value == spec.ignore_index) {
      out[i] = kDroppedRow;
      ++ignored;
    } else if (value >= 0 && static_cast<uint64_t>(value) < spec.num_classes) {
      out[i] = static_cast<int32_t>(value);
    } else {
      check::require("admit", false,
                     "labels in [0, " + std::to_string(spec.num_classes) + ") or " +
                         std::to_string(spec.ignore_index),
                     std::to_string(value) + row_text(first_row + i));
    }
  }
  return ignored;
}

template <class T>
void read_predictions(std::span<const std::byte> in, const BatchSpec& spec, size_t first_row,
                      int32_t* out) {
  for (size_t i = 0; i < in.size() / sizeof(T); ++i) {
    const int64_t value = element<T>(in, i);
    if (value < 0 || static_cast<uint64_t>(value) >= spec.num_classes) {
      check::require("admit", false, "predictions in [0, " + std::to_string(spec.num_classes) + ")",
                     std::to_string(value) + row_text(first_row + i));
    }
    out[i] = static_cast<int32_t>(value);
  }
}

[[noreturn]] void refuse_surplus(const char* what) {
  throw InvalidArgument(std::string("admit: expected no more ") + what + ", got some");
}

}  // namespace

BatchMemory new_batch_memory(size_t bytes) {
  constexpr std::align_val_t kAlignment{kBatchAlignment};
  try {
    auto* const memory = static_cast<std::byte*>(::operator new(bytes, kAlignment));
    return {memory, [](std::byte* p) { ::operator delete(p, kAlignment); }};
  } catch (const std::bad_alloc&) {
    throw OutOfMemory("admit: no memory for a batch of " + std::to_string(bytes) + " bytes");
  }
}

Batch AdmittedBatch::view() const {
  Batch batch;
  batch.features = memory_.get();
  batch.type = type_;
  batch.rows = rows_;
  batch.dim = dim_;
  batch.labels = labels();
  batch.predictions = has_predictions_ ? predictions() : nullptr;
  return batch;
}

int32_t* AdmittedBatch::labels() const {
  const size_t offset = aligned(rows_ * dim_ * dtype_size(type_));
  return reinterpret_cast<int32_t*>(memory_.get() + offset);
}

int32_t* AdmittedBatch::predictions() const {
  return labels() + aligned(rows_ * sizeof(int32_t)) / sizeof(int32_t);
}

size_t Admission::bytes_needed(const RawSizes& sizes, const BatchSpec& spec) {
  check::require("admit",
                 spec.num_classes > 0 && spec.num_classes <= INT32_MAX && spec.dim > 0 &&
                     spec.dim <= INT32_MAX,
                 "K and d in [1, 2147483647]", check::shape_text(spec.num_classes, spec.dim));
  const size_t label_bytes = width_of(spec.label_width);
  require_bytes("features", sizes.rows, spec.dim * dtype_size(spec.type), sizes.features);
  require_bytes("labels", sizes.rows, label_bytes, sizes.labels);
  if (sizes.predictions > 0) {
    require_bytes("predictions", sizes.rows, label_bytes, sizes.predictions);
  }
  const size_t indices = aligned(sizes.rows * sizeof(int32_t));
  return aligned(sizes.features) + indices * (sizes.predictions > 0 ? 2 : 1);
}

Admission::Admission(const RawSizes& sizes, const BatchSpec& spec, BatchMemory memory)
    : spec_(spec), sizes_(sizes) {
  batch_.bytes_ = bytes_needed(sizes, spec);
  batch_.memory_ = std::move(memory);
  batch_.rows_ = sizes.rows;
  batch_.dim_ = spec.dim;
  batch_.type_ = spec.type;
  batch_.has_predictions_ = sizes.predictions > 0;
}

void Admission::labels(std::span<const std::byte> piece) {
  take_whole(cut_, piece, width_of(spec_.label_width),
             [this](std::span<const std::byte> whole) { add_labels(whole); });
}

void Admission::add_labels(std::span<const std::byte> whole) {
  const size_t rows = whole.size() / width_of(spec_.label_width);
  if (rows > sizes_.rows - labels_taken_) refuse_surplus("labels");
  int32_t* const out = batch_.labels() + labels_taken_;
  batch_.dropped_.ignored += spec_.label_width == LabelWidth::kInt32
                                 ? read_labels<int32_t>(whole, spec_, labels_taken_, out)
                                 : read_labels<int64_t>(whole, spec_, labels_taken_, out);
  labels_taken_ += rows;
}

void Admission::predictions(std::span<const std::byte> piece) {
  take_whole(cut_, piece, width_of(spec_.label_width),
             [this](std::span<const std::byte> whole) { add_predictions(whole); });
}

void Admission::add_predictions(std::span<const std::byte> whole) {
  const size_t rows = whole.size() / width_of(spec_.label_width);
  if (!batch_.has_predictions_ || rows > sizes_.rows - predictions_taken_) {
    refuse_surplus("predictions");
  }
  int32_t* const out = batch_.predictions() + predictions_taken_;
  if (spec_.label_width == LabelWidth::kInt32) {
    read_predictions<int32_t>(whole, spec_, predictions_taken_, out);
  } else {
    read_predictions<int64_t>(whole, spec_, predictions_taken_, out);
  }
  predictions_taken_ += rows;
}

void Admission::features(std::span<const std::byte> piece) {
  if (piece.size() > sizes_.features - features_taken_) refuse_surplus("features");
  const size_t width = dtype_size(spec_.type);
  const size_t begin = features_taken_ / width * width;  // of an element that was cut
  std::byte* const memory = batch_.memory_.get();
  bool taken = true;
  if (const size_t had = features_taken_ - begin; had > 0) {
    const size_t rest = std::min(width - had, piece.size());
    std::memcpy(memory + features_taken_, piece.data(), rest);
    features_taken_ += rest;
    piece = piece.subspan(rest);
    taken = had + rest < width || first_refused(spec_.type, memory + begin, 1) == 1;
  }
  const size_t whole = piece.size() / width * width;
  taken &= copy_finite(spec_.type, piece.data(), whole / width, memory + features_taken_);
  if (piece.size() > whole) {
    std::memcpy(memory + features_taken_ + whole, piece.data() + whole, piece.size() - whole);
  }
  features_taken_ += piece.size();
  if (taken) return;
  suspect_begin_ = std::min(suspect_begin_, begin);
  suspect_end_ = features_taken_;
}

// Names the first feature of a row that is not taken, or drops the row.
void Admission::settle_row(size_t row) {
  const size_t width = dtype_size(spec_.type);
  std::byte* const features = batch_.memory_.get() + row * spec_.dim * width;
  const size_t column = first_refused(spec_.type, features, spec_.dim);
  if (column == spec_.dim) return;
  int32_t& label = batch_.labels()[row];
  const bool ignored = label == kDroppedRow;
  if (!ignored && !spec_.skip_nonfinite) {
    double value = 0;
    convert(spec_.type, features + column * width, 1, &value);
    check::require("admit", false, expected_features(spec_.type),
                   value_text(value) + row_text(row) + ", column " + std::to_string(column));
  }
  // Zeros, so that no product with a dropped row spreads a NaN.
  std::memset(features, 0, spec_.dim * width);
  if (ignored) return;
  label = kDroppedRow;
  ++batch_.dropped_.nonfinite;
}

void Admission::settle_rows() {
  if (suspect_begin_ >= suspect_end_) return;
  const size_t row_bytes = spec_.dim * dtype_size(spec_.type);
  const size_t last = (suspect_end_ - 1) / row_bytes;
  for (size_t row = suspect_begin_ / row_bytes; row <= last; ++row) settle_row(row);
}

AdmittedBatch Admission::finish() {
  const size_t predictions = batch_.has_predictions_ ? sizes_.rows : 0;
  check::require("admit",
                 labels_taken_ == sizes_.rows && predictions_taken_ == predictions &&
                     features_taken_ == sizes_.features,
                 "all bytes of the batch", "some of them");
  settle_rows();
  return std::move(batch_);
}

AdmittedBatch admit(const RawBatch& raw, const BatchSpec& spec) {
  const RawSizes sizes{raw.rows, raw.features.size(), raw.labels.size(), raw.predictions.size()};
  const size_t bytes = Admission::bytes_needed(sizes, spec);
  Admission admission(sizes, spec, new_batch_memory(bytes));
  admission.labels(raw.labels);
  admission.predictions(raw.predictions);
  admission.features(raw.features);
  return admission.finish();
}

}  // namespace ncscope
