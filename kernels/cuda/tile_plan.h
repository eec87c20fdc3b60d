// In which order the rows of a tile are summed. Rows are sorted by class, so that one thread adds
// all rows of a class in a column, in their order: no sum depends on a race.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/device.h"

namespace ncscope::cuda {

// Places in the sorted order that one block takes.
inline constexpr int kGroupRows = 32;
inline constexpr size_t kMostGroups = kTileRows / kGroupRows;

// A class and its places [first, first + count). What a class has in one group is a run; runs are
// numbered in the order of the places.
struct TileClass {
  int32_t label;
  int32_t first;
  int32_t count;
  int32_t first_run;
};

// Groups that hold places of a class.
__host__ __device__ inline int first_group(const TileClass& c) { return c.first / kGroupRows; }
__host__ __device__ inline int last_group(const TileClass& c) {
  return (c.first + c.count - 1) / kGroupRows;
}

// One block of memory, the same on host and card.
struct TilePlan {
  int32_t rows;                     // of the tile
  int32_t classes;                  // in the tile
  int32_t splits;                   // classes with places in more than one group
  int32_t settles;                  // classes without a reference before this tile
  int32_t row_at[kTileRows];        // [rows] place -> row of the tile
  int32_t label_at[kTileRows];      // [rows] place -> class
  int32_t first_run[kMostGroups];   // of each group
  int32_t split[kMostGroups];       // [splits] index of the class; no more than there are groups
  int32_t settle[kTileRows];        // [settles] index of the class
  TileClass classes_at[kTileRows];  // [classes], ascending labels

  int groups() const { return (rows + kGroupRows - 1) / kGroupRows; }
};

// Makes plans; keeps its memory between them.
class TilePlanner {
 public:
  // Plans rows of these labels [1..kTileRows], each below `num_classes`; `settled` [num_classes]
  // says which classes have a reference.
  void plan(std::span<const int32_t> labels, size_t num_classes, std::span<const uint8_t> settled,
            TilePlan& out);

 private:
  void sort(std::span<const int32_t> labels, size_t num_classes);

  std::vector<uint64_t> order_;  // label and row of each place
  std::vector<uint64_t> scratch_;
};

}  // namespace ncscope::cuda
