// The pass over the samples: subtracts each row's class reference and sums the differences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/dtype.h"

namespace ncscope {

// A sample on its way into the tile, or one that waited there.
struct ShiftRow {
  const std::byte* features = nullptr;  // [dim] as on the wire
  size_t label = 0;
  size_t tile_row = 0;
  bool waits = false;  // goes into the tile as it is
};

// Columns [begin, begin + width) of all arrays; slices are independent of each other.
struct ShiftSlice {
  size_t dim = 0;
  size_t begin = 0;
  size_t width = 0;
  void* references = nullptr;        // [K, dim] T
  double* sums = nullptr;            // [K, dim]
  void* tile = nullptr;              // [kTileRows, dim] T
  double* column_squares = nullptr;  // [dim]
  double* squares = nullptr;         // of row i: squares[i * stride] = sum of (h - r)^2
  double* full_squares = nullptr;    // of row i: full_squares[i * stride] = sum of h^2
  size_t stride = 0;
};

// Takes rows of `type` in order through one slice; T is that of `compute`. Their features may be
// rows of the tile themselves.
void shift_rows(DType type, DType compute, const std::vector<ShiftRow>& rows,
                const ShiftSlice& slice);

// Sets the references of the rows' classes to the means of these rows, rounded to T; rows of a
// class that are all equal have exactly their value. `counts` [K] says how many rows each class
// has; its sums are zero before and after. `type` is that of T.
void settle_references(DType type, const std::vector<ShiftRow>& rows, const uint64_t* counts,
                       const ShiftSlice& slice);

}  // namespace ncscope
