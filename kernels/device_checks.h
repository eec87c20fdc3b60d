// Checks shared by the public methods of Device; each message starts with the method's name and
// says what was expected and what came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>

#include "kernels/errors.h"
#include "kernels/matrix.h"

namespace ncscope::check {

inline void require(const char* method, bool holds, const std::string& expected,
                    const std::string& got) {
  if (!holds)
    throw InvalidArgument(std::string(method) + ": expected " + expected + ", got " + got);
}

inline void require_size(const char* method, const char* what, size_t expected, size_t got) {
  if (expected == got) return;
  require(method, false, std::string(what) + " of length " + std::to_string(expected),
          std::to_string(got));
}

inline std::string shape_text(size_t rows, size_t cols) {
  return std::string("[") + std::to_string(rows) + ", " + std::to_string(cols) + "]";
}

inline std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

// A matrix with a place and a stride that holds its columns; sizes that 32-bit libraries can name.
inline void require_matrix(const char* method, const char* what, ConstMatrix m) {
  if (m.rows == 0 || m.cols == 0) return;
  require(method, m.data != nullptr, std::string(what) + " in memory", "null");
  require(method, m.stride >= m.cols,
          std::string(what) + " with a stride of at least " + std::to_string(m.cols),
          std::to_string(m.stride));
  constexpr size_t kLimit = std::numeric_limits<int32_t>::max();
  require(method, m.rows <= kLimit && m.stride <= kLimit,
          std::string(what) + " with sizes of at most " + std::to_string(kLimit),
          shape_text(m.rows, m.stride));
}

inline void require_shape(const char* method, const char* what, ConstMatrix m, size_t rows,
                          size_t cols) {
  if (m.rows == rows && m.cols == cols) return;
  require(method, false, std::string(what) + " " + shape_text(rows, cols),
          shape_text(m.rows, m.cols));
}

// rows * cols * size, or OutOfMemory where no machine has that much.
inline size_t checked_bytes(const char* method, size_t rows, size_t cols, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(rows, cols, &bytes) || __builtin_mul_overflow(bytes, size, &bytes)) {
    throw OutOfMemory(std::string(method) + ": " + shape_text(rows, cols) +
                      " does not fit any memory");
  }
  return bytes;
}

}  // namespace ncscope::check
