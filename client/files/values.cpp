#include "client/files/values.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

template <class T>
void widen(const std::byte* raw, size_t count, int64_t* out) {
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, raw + i * sizeof(T), sizeof(T));
    // A uint64 above the range of int64 turns negative; the caller looks for that.
    out[i] = static_cast<int64_t>(value);
  }
}

void widen_indices(const ElementType& type, const std::byte* raw, size_t count, int64_t* out) {
  const bool is_signed = type.kind == ElementKind::kInt;
  switch (type.bytes) {
    case 1:
      return is_signed ? widen<int8_t>(raw, count, out) : widen<uint8_t>(raw, count, out);
    case 2:
      return is_signed ? widen<int16_t>(raw, count, out) : widen<uint16_t>(raw, count, out);
    case 4:
      return is_signed ? widen<int32_t>(raw, count, out) : widen<uint32_t>(raw, count, out);
    default:
      return is_signed ? widen<int64_t>(raw, count, out) : widen<uint64_t>(raw, count, out);
  }
}

}  // namespace

std::optional<DType> feature_type(const ElementType& type) {
  if (type.kind != ElementKind::kFloat) return std::nullopt;
  if (type.bytes == 2) return DType::kFloat16;
  if (type.bytes == 4) return DType::kFloat32;
  return DType::kFloat64;
}

IndexReader::IndexReader(ArrayReader reader, const char* what) : reader_(std::move(reader)) {
  const ElementType& type = reader_.type();
  if (type.kind != ElementKind::kInt && type.kind != ElementKind::kUint) {
    throw InvalidArgument(name() + ": expected integer " + what + ", got " + type.name());
  }
  if (reader_.shape().size() != 1) {
    throw InvalidArgument(name() + ": expected " + what + " of shape [N], got " +
                          shape_text(reader_.shape()));
  }
}

size_t IndexReader::read(size_t max_rows, std::vector<int64_t>& out) {
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(max_rows, rows() - next_row_));
  raw_.resize(wanted * reader_.type().bytes);
  out.resize(reader_.read_rows(wanted, raw_.data()));
  widen_indices(reader_.type(), raw_.data(), out.size(), out.data());
  if (reader_.type().kind == ElementKind::kUint) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i] >= 0) continue;
      throw InvalidArgument(name() + ": row " + std::to_string(next_row_ + i) +
                            ": expected a class index below 2^63, got " +
                            std::to_string(static_cast<uint64_t>(out[i])));
    }
  }
  next_row_ += out.size();
  return out.size();
}

std::vector<double> read_doubles(ArrayReader& reader) {
  const auto type = feature_type(reader.type());
  if (!type) {
    throw InvalidArgument(reader.name() + ": expected float16, float32 or float64, got " +
                          reader.type().name());
  }
  std::vector<double> values;
  if (reader.row_bytes() == 0) return values;
  const size_t block_rows = std::max<size_t>(1, (size_t{4} << 20) / reader.row_bytes());
  const auto columns = static_cast<size_t>(reader.row_elements());
  std::vector<std::byte> raw;
  for (uint64_t left = reader.rows(); left > 0;) {
    const auto rows = static_cast<size_t>(std::min<uint64_t>(left, block_rows));
    raw.resize(rows * reader.row_bytes());
    reader.read_rows(rows, raw.data());
    const size_t before = values.size();
    values.resize(before + rows * columns);
    convert(*type, raw.data(), rows * columns, values.data() + before);
    left -= rows;
  }
  return values;
}

}  // namespace ncscope::files
