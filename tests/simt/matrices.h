// Column-major host matrices with a gap between columns, for tests of libraries.
#pragma once

#include <cublas_v2.h>

#include <cmath>
#include <random>

#include "tests/simt/card_fixture.h"

namespace ncscope::simt {

// [rows, cols], column j at j * stride. NaN in the gap: it must not matter.
template <class T>
struct Columns {
  Columns(int64_t rows_, int64_t cols_, int64_t stride_)
      : rows(rows_),
        cols(cols_),
        stride(stride_),
        values(static_cast<size_t>(stride_ * cols_), std::numeric_limits<T>::quiet_NaN()) {}

  static Columns random(int64_t rows, int64_t cols, int64_t stride, unsigned seed) {
    Columns a(rows, cols, stride);
    std::mt19937 engine(seed);
    std::uniform_real_distribution<T> number(-1, 1);
    for (int64_t j = 0; j < cols; ++j) {
      for (int64_t i = 0; i < rows; ++i) a(i, j) = number(engine);
    }
    return a;
  }

  T& operator()(int64_t i, int64_t j) { return values[static_cast<size_t>(j * stride + i)]; }
  T operator()(int64_t i, int64_t j) const { return values[static_cast<size_t>(j * stride + i)]; }
  // Of op(A).
  T at(cublasOperation_t op, int64_t i, int64_t j) const {
    return op == CUBLAS_OP_N ? (*this)(i, j) : (*this)(j, i);
  }

  // Device memory with the rows written and the gap not.
  DeviceArray<T> upload() const {
    DeviceArray<T> data = device_array<T>(values.size());
    EXPECT_EQ(
        cudaMemcpy2D(data.get(), static_cast<size_t>(stride) * sizeof(T), values.data(),
                     static_cast<size_t>(stride) * sizeof(T), static_cast<size_t>(rows) * sizeof(T),
                     static_cast<size_t>(cols), cudaMemcpyHostToDevice),
        cudaSuccess);
    return data;
  }
  void download(const T* data) { values = simt::download(data, values.size()); }

  int64_t rows;
  int64_t cols;
  int64_t stride;
  std::vector<T> values;
};

}  // namespace ncscope::simt
