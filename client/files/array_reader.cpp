#include "client/files/array_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "client/files/text.h"
#include "kernels/errors.h"

namespace ncscope::files {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are handed out little-endian");

template <size_t kBytes>
void reverse_each(std::byte* data, size_t elements) {
  for (size_t i = 0; i < elements; ++i) std::reverse(data + i * kBytes, data + (i + 1) * kBytes);
}

void swap_bytes(std::byte* data, size_t elements, size_t element_bytes) {
  if (element_bytes == 2) reverse_each<2>(data, elements);
  if (element_bytes == 4) reverse_each<4>(data, elements);
  if (element_bytes == 8) reverse_each<8>(data, elements);
}

template <class T>
void scatter_column(const std::byte* column, size_t rows, size_t stride, std::byte* out) {
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(out + r * stride * sizeof(T), column + r * sizeof(T), sizeof(T));
  }
}

}  // namespace

ArrayReader::ArrayReader(std::unique_ptr<ByteStream> stream)
    : stream_(std::move(stream)), name_(stream_->name()), header_(read_npy_header(*stream_)) {
  const auto& shape = header_.shape;
  if (!shape.empty()) rows_ = shape.front();
  for (size_t i = 1; i < shape.size(); ++i) {
    if (shape[i] > 0 && row_elements_ > (uint64_t{1} << 48) / shape[i]) {
      throw InvalidArgument(name_ + ": expected rows below 2^48 elements, got shape " +
                            shape_text(shape));
    }
    row_elements_ *= shape[i];
  }
  data_offset_ = header_.data_offset;
  column_major_ = header_.fortran_order && rows_ > 1 && row_elements_ > 1;
  if (!column_major_) return;
  if (shape.size() > 2) {
    throw InvalidArgument(name_ + ": expected at most 2 axes in Fortran order, got shape " +
                          shape_text(shape));
  }
  if (!stream_->random_access()) {
    stream_ = spill_to_file(*stream_, header_.data_bytes);
    data_offset_ = 0;
  }
}

size_t ArrayReader::read_rows(size_t max_rows, std::byte* out) {
  const auto rows = static_cast<size_t>(std::min<uint64_t>(max_rows, rows_ - next_row_));
  if (rows == 0) return 0;
  if (column_major_) {
    gather_columns(rows, out);
  } else {
    stream_->read(out, rows * row_bytes());
  }
  next_row_ += rows;
  if (header_.type.big_endian) {
    swap_bytes(out, rows * static_cast<size_t>(row_elements_), header_.type.bytes);
  }
  if (next_row_ == rows_ && !column_major_) stream_->expect_end();
  return rows;
}

void ArrayReader::gather_columns(size_t rows, std::byte* out) {
  const size_t size = header_.type.bytes;
  const auto columns = static_cast<size_t>(row_elements_);
  column_.resize(rows * size);
  for (size_t c = 0; c < columns; ++c) {
    stream_->read_at(data_offset_ + (c * rows_ + next_row_) * size, column_.data(), column_.size());
    std::byte* to = out + c * size;
    if (size == 1) scatter_column<uint8_t>(column_.data(), rows, columns, to);
    if (size == 2) scatter_column<uint16_t>(column_.data(), rows, columns, to);
    if (size == 4) scatter_column<uint32_t>(column_.data(), rows, columns, to);
    if (size == 8) scatter_column<uint64_t>(column_.data(), rows, columns, to);
  }
}

}  // namespace ncscope::files
