// What cuBLAS and cuSOLVER share: matrices in device memory, checked when the call is executed.
#pragma once

#include <cstdint>

#include "tests/simt/runtime/card.h"
#include "tests/simt/runtime/streams.h"

namespace ncscope::simt {

enum class Part { kAll, kLower, kUpper };

// Column-major [rows, cols] with `stride` between columns.
struct DeviceMatrixView {
  const void* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
  size_t element = sizeof(double);
  Part part = Part::kAll;
};

// Whether a matrix is in device memory, and for a read, written; reports it otherwise as a finding
// of `function`.
bool can_read(const char* function, const char* name, const DeviceMatrixView& matrix);
bool can_write(const char* function, const char* name, const DeviceMatrixView& matrix);
void mark_written(const DeviceMatrixView& matrix);

// The library owns its workspace: it is garbage after every call. False: not in device memory.
bool spoil_workspace(const char* function, void* data, size_t bytes);

// Calls run(first row, rows, column) for each column of the part.
template <class F>
void for_each_column(const DeviceMatrixView& matrix, F&& run) {
  for (int64_t j = 0; j < matrix.cols; ++j) {
    int64_t first = 0;
    int64_t end = matrix.rows;
    if (matrix.part == Part::kLower) first = j;
    if (matrix.part == Part::kUpper) end = j + 1 < end ? j + 1 : end;
    if (first < end) run(first, end - first, j);
  }
}

}  // namespace ncscope::simt
