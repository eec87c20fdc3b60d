// Unit rows u_c = x_c / ||x_c||, and points of the convex hull of some of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kernels/device.h"
#include "kernels/metrics/pair_sample.h"

namespace ncscope::metrics {

// A row and its share in a point of a hull.
struct HullAtom {
  size_t row = 0;
  double weight = 0;  // > 0
};

// The rows, in host memory one at a time and as a factor of products on a device. Numbers below are
// about exact unit rows of the x_c, which are taken as they are.
class HullRows {
 public:
  // `rows` is what `host` amounts to, in device memory; neither is copied.
  HullRows(Device& device, const CenteredRows& host, ConstMatrix rows);

  size_t count() const { return rows_.rows; }  // P
  size_t dim() const { return rows_.cols; }    // d
  // [P] 1 / ||x_c||; 0 where the square underflows.
  const std::vector<double>& inverse_norms() const { return inverse_norms_; }

  void load(size_t c, double* out) const;                                 // u_c [d]
  void load_difference(size_t j, const double* from, double* out) const;  // u_j - `from` [d]

  // out [b, P] = <v_r, u_j>, host, of unit vectors `vectors` [b, d], host.
  void products(ConstMatrix vectors, double* out) const;
  // How far the difference of two such products may be from <v, u_c - u_j> / ||v||.
  double product_error() const { return (2 * static_cast<double>(dim()) + 16) * kUnit; }
  // How far the length of u_c - sum of weights u_j, weights as they are over their sum, may be from
  // what is computed of `atoms` rows.
  double length_error(size_t atoms) const {
    return (static_cast<double>(dim()) + 2 * static_cast<double>(atoms) + 12) * kUnit;
  }

  static constexpr double kUnit = std::numeric_limits<double>::epsilon();

 private:
  Device& device_;
  CenteredRows host_;
  ConstMatrix rows_;
  std::vector<double> inverse_norms_;
};

}  // namespace ncscope::metrics
