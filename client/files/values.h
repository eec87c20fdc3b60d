// Elements of an array as the types that ncscope computes with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "client/files/array_reader.h"
#include "kernels/dtype.h"

namespace ncscope::files {

// The feature type that an element type is; nothing for integers and bool.
std::optional<DType> feature_type(const ElementType& type);

// Class indices of any integer width, [N].
class IndexReader {
 public:
  // Throws InvalidArgument unless the array has one axis and integer elements. `what` ("labels")
  // is for messages.
  IndexReader(ArrayReader reader, const char* what);

  const std::string& name() const { return reader_.name(); }
  uint64_t rows() const { return reader_.rows(); }

  // The next indices, at most `max_rows`, into `out`; returns how many. Throws InvalidArgument for
  // a value above 2^63 - 1, naming its row.
  size_t read(size_t max_rows, std::vector<int64_t>& out);

 private:
  ArrayReader reader_;
  uint64_t next_row_ = 0;
  std::vector<std::byte> raw_;
};

// All elements of a floating-point array, row-major, as float64.
std::vector<double> read_doubles(ArrayReader& reader);

}  // namespace ncscope::files
