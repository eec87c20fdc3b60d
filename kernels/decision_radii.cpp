#include "kernels/decision_radii.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/score_error.h"

namespace ncscope {
namespace {

constexpr size_t kTilePoints = 256;
constexpr size_t kTileScores = 2048;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double norm(std::span<const double> v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

double largest(std::span<const double> v) { return v.empty() ? 0 : *std::ranges::max_element(v); }

class RadiusSweep {
 public:
  RadiusSweep(Device& device, const AffineScores& scores, const DecisionPoints& points)
      : device_(device),
        scores_(scores),
        points_(points),
        same_(scores.points && scores.rows.data == points.points.data),
        dim_(scores.rows.cols),
        squares_(device.row_dots(scores.rows, scores.rows)),
        offset_(offsets_about_origin()) {
    const double reach = std::sqrt(largest(device.row_dots(points.points, points.points)));
    const double row_norm = std::sqrt(largest(squares_));
    most_ = 2 * reach;
    double largest_offset = 0;
    for (size_t c = 0; c < offset_.size(); ++c) {
      largest_offset =
          std::max({largest_offset, std::fabs(offset_[c]), std::fabs(scores.offset[c])});
    }
    // One bound for the decision itself, for each of the products and sums here, and for samples
    // that were rounded when the origin was taken off: eight are more than enough.
    error_ = 8 * score_error<double>(dim_, scores.points,
                                     norm(scores.center) + norm(points.origin) + reach + most_,
                                     row_norm, largest_offset);
    const double unit = Precision<double>::kUnit * static_cast<double>(dim_ + 8);
    square_error_ = 8 * unit * row_norm * row_norm;
    rounding_ = 1 - 8 * unit;
  }

  std::vector<double> run() {
    std::vector<double> radii(points_.points.rows, most_);
    if (!std::isfinite(error_) || !std::isfinite(square_error_)) {
      radii.assign(radii.size(), 0);
      return radii;
    }
    for (size_t i = 0; i < radii.size(); i += kTilePoints) {
      const size_t count = std::min(kTilePoints, radii.size() - i);
      take_tile(i, count, radii.data() + i);
    }
    for (double& radius : radii) radius = std::max(0.0, radius * rounding_);
    return radii;
  }

 private:
  // t_c of a score a_c . (h - origin) + t_c.
  std::vector<double> offsets_about_origin() const {
    std::vector<double> offset(scores_.offset.begin(), scores_.offset.end());
    std::vector<double> shift(dim_);
    std::ranges::copy(points_.origin, shift.begin());
    for (size_t j = 0; j < scores_.center.size(); ++j) shift[j] -= scores_.center[j];
    if (norm(shift) == 0) return offset;
    const DeviceMatrix on_device = device_.upload({shift.data(), 1, dim_});
    const std::vector<double> moved = products(on_device, scores_.rows);
    for (size_t c = 0; c < offset.size(); ++c) offset[c] += moved[c];
    return offset;
  }

  // A B^T, host.
  std::vector<double> products(ConstMatrix a, ConstMatrix b) const {
    const DeviceMatrix c = device_.matrix(a.rows, b.rows);
    device_.gemm(false, true, 1, a, b, 0, c);
    std::vector<double> out(a.rows * b.rows);
    device_.download(c, out.data());
    return out;
  }

  // Rows of the scores that are to win at `count` points from `first` on.
  DeviceMatrix winners(size_t first, size_t count) const {
    std::vector<double> rows(count * dim_);
    for (size_t i = 0; i < count; ++i) {
      device_.download(scores_.rows.slice_rows(points_.places[first + i], 1),
                       rows.data() + i * dim_);
    }
    return device_.upload({rows.data(), count, dim_});
  }

  void take_tile(size_t first, size_t count, double* radii) const {
    const ConstMatrix points = points_.points.slice_rows(first, count);
    DeviceMatrix gathered;
    if (!same_) gathered = winners(first, count);
    const ConstMatrix own_rows = same_ ? points : ConstMatrix(gathered);
    const std::vector<double> own = device_.row_dots(points, own_rows);
    for (size_t c0 = 0; c0 < scores_.rows.rows; c0 += kTileScores) {
      const size_t classes = std::min(kTileScores, scores_.rows.rows - c0);
      const ConstMatrix rows = scores_.rows.slice_rows(c0, classes);
      const std::vector<double> dots = products(points, rows);
      const std::vector<double> row_products =
          same_ ? std::vector<double>() : products(own_rows, rows);
      for (size_t i = 0; i < count; ++i) {
        const size_t place = points_.places[first + i];
        const Winner winner{place, own[i] + offset_[place], squares_[place]};
        const double* const between = (same_ ? dots : row_products).data() + i * classes;
        radii[i] = std::min(
            radii[i], radius_against(winner, dots.data() + i * classes, between, c0, classes));
      }
    }
  }

  struct Winner {
    size_t place;
    double score;
    double square;  // of its row's norm
  };

  // The least radius against rows c0 + j: dots with the point, `between` with the winner's row.
  double radius_against(const Winner& winner, const double* dots, const double* between, size_t c0,
                        size_t classes) const {
    double radius = kInfinity;
    for (size_t j = 0; j < classes; ++j) {
      const size_t c = c0 + j;
      if (c == winner.place) continue;
      const double margin = winner.score - (dots[j] + offset_[c]) - error_;
      const double square = winner.square + squares_[c] - 2 * between[j];
      const double here = margin / std::sqrt(std::max(square, 0.0) + square_error_);
      if (!(here >= radius)) radius = std::isnan(here) ? -kInfinity : here;
    }
    return radius;
  }

  Device& device_;
  const AffineScores& scores_;
  const DecisionPoints& points_;
  bool same_;  // the rows of the scores are the points
  size_t dim_;
  std::vector<double> squares_;  // [rows] ||a_c||^2
  std::vector<double> offset_;   // [rows] t_c about the origin
  double most_ = 0;              // larger radii are not given
  double error_ = 0;             // of a margin
  double square_error_ = 0;      // of ||a_i - a_c||^2
  double rounding_ = 1;          // of a distance
};

}  // namespace

std::vector<double> decision_radii(Device& device, const AffineScores& scores,
                                   const DecisionPoints& points) {
  return RadiusSweep(device, scores, points).run();
}

}  // namespace ncscope
