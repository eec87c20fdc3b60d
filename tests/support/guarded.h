// A matrix in device memory with room around it that nobody may write.
#pragma once

#include <cstring>
#include <limits>
#include <vector>

#include "kernels/device.h"

namespace ncscope::test {

// [rows, cols] inside a larger matrix: a row above and below and three columns to the right hold a
// pattern, and so does every element until it is written. All of them read as NaN.
class Guarded {
 public:
  Guarded(Device& device, size_t rows, size_t cols)
      : device_(device),
        rows_(rows),
        cols_(cols),
        whole_(device.upload({std::vector<double>((rows + 2) * (cols + kRoom), poison()).data(),
                              rows + 2, cols + kRoom})) {}

  Guarded(Device& device, size_t rows, size_t cols, const std::vector<double>& values)
      : Guarded(device, rows, cols) {
    for (size_t r = 0; r < rows; ++r) {
      device.copy_to_device(view().row(r), values.data() + r * cols, cols * sizeof(double));
    }
  }

  Matrix view() const { return {whole_.view().row(1), rows_, cols_, cols_ + kRoom}; }

  std::vector<double> values() {
    std::vector<double> out(rows_ * cols_);
    device_.download(view(), out.data());
    return out;
  }

  // Whether the room around holds its pattern to the bit.
  bool intact() {
    std::vector<double> all(whole_.rows() * whole_.cols());
    device_.download(whole_, all.data());
    const double expected = poison();
    for (size_t r = 0; r < whole_.rows(); ++r) {
      for (size_t c = 0; c < whole_.cols(); ++c) {
        const bool inside = r >= 1 && r <= rows_ && c < cols_;
        if (inside) continue;
        if (std::memcmp(&all[r * whole_.cols() + c], &expected, sizeof(double)) != 0) return false;
      }
    }
    return true;
  }

 private:
  static constexpr size_t kRoom = 3;
  static double poison() { return -std::numeric_limits<double>::quiet_NaN(); }

  Device& device_;
  size_t rows_;
  size_t cols_;
  DeviceMatrix whole_;
};

}  // namespace ncscope::test
