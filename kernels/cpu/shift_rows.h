// The pass over the samples: subtracts each row's class reference and sums the differences.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/dtype.h"

namespace ncscope {

// A sample on its way into the tile.
struct ShiftRow {
  const std::byte* features = nullptr;  // [dim] as on the wire
  size_t label = 0;
  bool first = false;  // of its class: becomes the reference
};

// Columns [begin, begin + width) of all arrays; slices are independent of each other.
struct ShiftSlice {
  size_t dim = 0;
  size_t begin = 0;
  size_t width = 0;
  void* references = nullptr;        // [K, dim] T
  double* sums = nullptr;            // [K, dim]
  void* tile = nullptr;              // [rows, dim] T
  double* column_squares = nullptr;  // [dim]
  double* squares = nullptr;         // of row i: squares[i * stride] = sum of (h - r)^2
  double* full_squares = nullptr;    // of row i: full_squares[i * stride] = sum of h^2
  size_t stride = 0;
};

// Takes the rows in order through one slice.
void shift_rows(DType type, const std::vector<ShiftRow>& rows, const ShiftSlice& slice);

}  // namespace ncscope
