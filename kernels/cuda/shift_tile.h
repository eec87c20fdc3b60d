// The fused kernel of the pass over the samples, and what goes before and after it.
#pragma once

#include "kernels/cuda/handles.h"
#include "kernels/cuda/tile_plan.h"

namespace ncscope::cuda {

// A tile on its way from rows as they came to shifted ones; all memory is the card's. T is float or
// double, as the products of the sums are.
struct ShiftTile {
  const TilePlan* plan = nullptr;
  // Rows of the tile, as on the wire: the first `waiting` lie in one place, the others in another.
  const void* waiting_rows = nullptr;
  const void* other_rows = nullptr;
  int waiting = 0;
  size_t dim = 0;

  void* references = nullptr;        // [K, dim] T
  double* sums = nullptr;            // [K, dim]
  double* squares = nullptr;         // [K]
  double* column_squares = nullptr;  // [dim]
  double* sum_squares = nullptr;     // [1]

  void* shifted = nullptr;      // [rows, dim] T, in the order of the places
  unsigned* largest = nullptr;  // [1] bits of the largest |h - r| as a float; T float only

  // What blocks leave for the kernels after them.
  double* run_sums = nullptr;      // [groups, 2, dim] of classes in more than one group
  double* column_parts = nullptr;  // [groups, dim]
  double* square_parts = nullptr;  // [runs, parts]
  double* full_parts = nullptr;    // [groups, parts]
};

// Copies a plan to the card by a kernel that reads pinned memory: a copy engine would take it after
// the megabytes of samples that are queued there.
void copy_plan(cudaStream_t stream, const TilePlan* pinned, TilePlan* device);

// Parts that a row's columns are cut into: one for a warp.
size_t shift_parts(size_t dim);
// The most runs that a tile can have.
inline constexpr size_t kMostRuns = kTileRows + kMostGroups;

// Sets references of the classes that have none to the means of their rows, rounded to T; rows that
// are all equal have exactly their value. Then shifts all rows by their references, and adds to
// sums, squares, column_squares and sum_squares. `host` is the plan in host memory.
void shift_tile(cudaStream_t stream, DType type, DType compute, const TilePlan& host,
                const ShiftTile& tile);

}  // namespace ncscope::cuda
