// Views of row-major matrices. They own nothing; whether the memory is the host's or a device's
// is said where a view is taken or returned.
#pragma once

#include <cstddef>
#include <type_traits>

namespace ncscope {

// [rows, cols] row-major, `stride` elements from one row to the next (stride >= cols).
template <class T>
struct MatrixView {
  T* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data, size_t rows, size_t cols) : MatrixView(data, rows, cols, cols) {}
  MatrixView(T* data, size_t rows, size_t cols, size_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}

  // A view of mutable elements is also one of constant elements.
  template <class U>
  requires std::is_same_v<const U, T> MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}

  T* row(size_t r) const { return data + r * stride; }

  // Rows [first, first + count).
  MatrixView slice_rows(size_t first, size_t count) const {
    return {row(first), count, cols, stride};
  }
};

using Matrix = MatrixView<double>;
using ConstMatrix = MatrixView<const double>;

}  // namespace ncscope
