#include "tests/simt/runtime/library.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "tests/simt/runtime/memory.h"

namespace ncscope::simt {
namespace {

bool fail(const char* function, const char* name, const std::string& kind, const void* address) {
  Finding finding;
  finding.kind = kind;
  finding.kernel = function;
  finding.address = reinterpret_cast<uintptr_t>(address);
  finding.text = kind + ": " + name + " of " + function;
  report(std::move(finding), cudaErrorIllegalAddress);
  return false;
}

const char* column_of(const DeviceMatrixView& matrix, int64_t row, int64_t column) {
  return static_cast<const char*>(matrix.data) +
         static_cast<size_t>(column * matrix.stride + row) * matrix.element;
}

}  // namespace

bool can_write(const char* function, const char* name, const DeviceMatrixView& matrix) {
  bool good = true;
  for_each_column(matrix, [&](int64_t first, int64_t rows, int64_t column) {
    if (!good) return;
    const char* data = column_of(matrix, first, column);
    const Allocation* allocation = memory().find(data);
    if (allocation == nullptr ||
        !memory().holds(data, static_cast<size_t>(rows) * matrix.element)) {
      const bool gone = memory().was_freed(reinterpret_cast<uintptr_t>(data));
      good = fail(function, name, gone ? "use after free" : "matrix out of bounds", data);
    }
  });
  return good;
}

bool can_read(const char* function, const char* name, const DeviceMatrixView& matrix) {
  bool good = can_write(function, name, matrix);
  for_each_column(matrix, [&](int64_t first, int64_t rows, int64_t column) {
    if (!good) return;
    const char* data = column_of(matrix, first, column);
    const size_t bytes = static_cast<size_t>(rows) * matrix.element;
    const size_t written = memory().written_prefix(data, bytes);
    if (written == bytes) return;
    const size_t row = static_cast<size_t>(first) + written / matrix.element;
    good = fail(function,
                (std::string(name) + " [" + std::to_string(row) + ", " + std::to_string(column) +
                 "], column-major,")
                    .c_str(),
                "read of unwritten global memory", data + written);
  });
  return good;
}

void mark_written(const DeviceMatrixView& matrix) {
  for_each_column(matrix, [&](int64_t first, int64_t rows, int64_t column) {
    memory().mark(column_of(matrix, first, column), static_cast<size_t>(rows) * matrix.element,
                  kWritten);
  });
}

bool spoil_workspace(const char* function, void* data, size_t bytes) {
  if (bytes == 0) return true;
  if (!memory().holds(data, bytes)) {
    return fail(function, "workspace", "workspace out of bounds", data);
  }
  // All of a large one would take longer than the call.
  std::memset(data, 0xfe, std::min(bytes, size_t{1} << 16));
  memory().mark(data, bytes, kAllocated);
  return true;
}

}  // namespace ncscope::simt
