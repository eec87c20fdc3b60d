// Rows of one stored array, in blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/files/byte_stream.h"
#include "client/files/npy_header.h"

namespace ncscope::files {

// Reads an array front to back. Holds no more than one block; the caller owns that.
class ArrayReader {
 public:
  // `stream` stands at the first byte of a .npy. Fortran-order matrices are gathered from their
  // columns, which needs random access: a stream without it is copied to an unnamed temporary
  // file first. Throws what read_npy_header() throws.
  explicit ArrayReader(std::unique_ptr<ByteStream> stream);

  // What messages call the array: file and key.
  const std::string& name() const { return name_; }
  const ElementType& type() const { return header_.type; }
  const std::vector<uint64_t>& shape() const { return header_.shape; }

  // Length of the first axis; 1 for an array of no axes.
  uint64_t rows() const { return rows_; }
  // Elements in a row: the product of the other axes.
  uint64_t row_elements() const { return row_elements_; }
  size_t row_bytes() const { return static_cast<size_t>(row_elements_) * header_.type.bytes; }

  // Reads the next rows, at most `max_rows`, as [rows, row_elements] row-major little-endian;
  // returns how many, 0 at the end. `out` has max_rows * row_bytes() bytes. Throws DataLoss.
  size_t read_rows(size_t max_rows, std::byte* out);

 private:
  void gather_columns(size_t rows, std::byte* out);

  std::unique_ptr<ByteStream> stream_;
  std::string name_;
  NpyHeader header_;
  uint64_t rows_ = 1;
  uint64_t row_elements_ = 1;
  uint64_t next_row_ = 0;
  uint64_t data_offset_ = 0;       // of the elements in stream_
  bool column_major_ = false;      // the elements of a row are not next to each other
  std::vector<std::byte> column_;  // a piece of one column
};

}  // namespace ncscope::files
