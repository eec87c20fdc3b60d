// CpuDevice: all pair metrics in one sweep of the upper triangle. A panel of products comes from
// BLAS; strips of its rows are reduced by the threads, and put together in the order of the strips.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/pair_merge.h"
#include "kernels/cpu/pair_row.h"
#include "kernels/cpu/pair_uniformity.h"
#include "kernels/cpu/products.h"
#include "kernels/cpu/simd.h"

namespace ncscope {
namespace {

constexpr size_t kPanelRows = 512;
constexpr size_t kPanelCols = 1024;
constexpr size_t kStripRows = 16;
constexpr double kFar = std::numeric_limits<double>::infinity();

// What a strip found.
struct StripSums {
  PairSums sums;
  double off_diagonal = 0;          // of gram_residual, each pair once
  std::vector<double> nearest;      // [columns] smallest squared distance to a row of the strip
  std::vector<double> nearest_row;  // [columns] that row
  double row_square[kStripRows];    // [rows] smallest squared distance to a column
  size_t row_nearest[kStripRows];   // [rows] that column
  std::vector<double> scratch;      // three arrays of kPanelCols
  std::vector<double> units;        // [kPanelCols + simd::kLanes] squared distances of unit rows
};

class PairSweep {
 public:
  PairSweep(const PairInput& input, ThreadPool& pool)
      : input_(input),
        pool_(pool),
        p_(input.rows.rows),
        ideal_(1.0 / static_cast<double>(p_ - 1)),
        ideal_gram_(-input.etf_scale /
                    (static_cast<double>(p_) * std::sqrt(static_cast<double>(p_ - 1)))),
        riesz_(riesz_power(p_, input.rows.cols)),
        inverse_norms_(p_),
        strips_(kPanelRows / kStripRows),
        squares_(p_, kFar) {
    for (size_t c = 0; c < p_; ++c) {
      const double norm = std::sqrt(input.squared_norms[c]);
      inverse_norms_[c] = norm > 0 ? 1 / norm : 0;
    }
    directions_ = direction_resolution(input, inverse_norms_);
    for (StripSums& strip : strips_) {
      strip.nearest.resize(kPanelCols);
      strip.nearest_row.resize(kPanelCols);
      strip.scratch.resize(3 * kPanelCols);
      strip.units.resize(kPanelCols + simd::kLanes);
    }
    out_.nearest.resize(p_);
  }

  PairSums run() {
    const bool given = input_.products.data != nullptr;
    std::vector<double> panel(given ? 0 : std::min(kPanelRows, p_) * std::min(kPanelCols, p_));
    for (size_t r0 = 0; r0 < p_; r0 += kPanelRows) {
      for (size_t c0 = r0; c0 < p_; c0 += kPanelCols) sweep_panel(r0, c0, panel.data());
    }
    return finish();
  }

 private:
  // Products of rows [r0, r0 + rows) with rows [c0, c0 + cols).
  ConstMatrix products(size_t r0, size_t rows, size_t c0, size_t cols, double* panel) const {
    const ConstMatrix& given = input_.products;
    if (given.data != nullptr) return {given.row(r0) + c0, rows, cols, given.stride};
    const ConstMatrix& x = input_.rows;
    products::gemm(pool_, false, true, rows, cols, x.cols, 1.0, x.row(r0), x.stride, x.row(c0),
                   x.stride, 0.0, panel, cols);
    return {panel, rows, cols};
  }

  void sweep_panel(size_t r0, size_t c0, double* panel) {
    const size_t rows = std::min(kPanelRows, p_ - r0);
    const size_t cols = std::min(kPanelCols, p_ - c0);
    const ConstMatrix g = products(r0, rows, c0, cols, panel);
    const size_t strips = (rows + kStripRows - 1) / kStripRows;
    pool_.run(strips, [&](size_t s) {
      const size_t first = s * kStripRows;
      const size_t count = std::min(kStripRows, rows - first);
      sweep_strip(r0 + first, c0, g.slice_rows(first, count), strips_[s]);
    });
    for (size_t s = 0; s < strips; ++s) {
      const size_t first = s * kStripRows;
      merge_strip(r0 + first, std::min(kStripRows, rows - first), c0, cols, strips_[s]);
    }
  }

  void sweep_strip(size_t r0, size_t c0, ConstMatrix g, StripSums& out) const {
    const size_t cols = g.cols;
    out.sums = PairSums{};
    out.off_diagonal = 0;
    std::fill_n(out.nearest.begin(), cols, kFar);
    std::fill_n(out.nearest_row.begin(), cols, 0.0);
    for (size_t i = 0; i < g.rows; ++i) {
      out.row_square[i] = kFar;
      out.row_nearest[i] = 0;
      const size_t first = std::max(c0, r0 + i + 1);
      if (first < c0 + cols) {
        sweep_row(r0 + i, i, first, c0 + cols - first, g.row(i) + (first - c0), first - c0, out);
      }
    }
  }

  // Row r against columns [first, first + n), whose products are g and whose place in the panel is
  // `place`.
  void sweep_row(size_t r, size_t row_in_strip, size_t first, size_t n, const double* g,
                 size_t place, StripSums& out) const {
    PairRow row;
    row.squared_norm = input_.squared_norms[r];
    row.inverse_norm = inverse_norms_[r];
    PairColumns columns;
    columns.n = n;
    columns.squared_norms = input_.squared_norms.data() + first;
    columns.inverse_norms = inverse_norms_.data() + first;
    if (!input_.within_variances.empty()) {
      row.variance = input_.within_variances[r];
      columns.variances = input_.within_variances.data() + first;
    }
    if (!input_.resolution.empty()) {
      row.resolution = input_.resolution[r];
      columns.resolution = input_.resolution.data() + first;
    }
    double* const squares = out.scratch.data();
    double* const a = squares + kPanelCols;
    double* const b = a + kPanelCols;

    out.sums.pairs += n;
    out.off_diagonal += simd::squared_offset(g, ideal_gram_, n);
    if (pair_distances(g, row, columns, squares)) recompute(r, first, n, row, columns, squares);
    const size_t nearest = simd::first_minimum(squares, n);
    out.row_square[row_in_strip] = squares[nearest];
    out.row_nearest[row_in_strip] = first + nearest;
    update_nearest(squares, n, static_cast<double>(r), out.nearest.data() + place,
                   out.nearest_row.data() + place);
    if (row.inverse_norm > 0) {
      add_cosines(r, first, g, row, columns, a, b, out.units.data(), out.sums);
    }
    const size_t equal = first_equal(squares, row, columns);
    if (equal < n) keep_first({r, first + equal, std::sqrt(squares[equal])}, out.sums.equal);
    if (columns.variances != nullptr) {
      pair_cdnv(squares, row, columns, a, b);
      out.sums.cdnv_sum += simd::sum(a, n);
      out.sums.cdnv_fourth_sum += simd::sum(b, n);
      if (equal < n) exclude_equal(squares, row, columns, a);
      const size_t worst = simd::first_maximum(a, n);
      if (a[worst] >= 0) keep_largest({r, first + worst, a[worst]}, out.sums.cdnv_worst);
    }
  }

  // Distances that cancel, from differences.
  void recompute(size_t r, size_t first, size_t n, const PairRow& row, const PairColumns& columns,
                 double* squares) const {
    const ConstMatrix& x = input_.rows;
    for (size_t j = 0; j < n; ++j) {
      if (squares[j] < kPairCancels * (row.squared_norm + columns.squared_norms[j])) {
        squares[j] = simd::squared_distance(x.row(r), x.row(first + j), x.cols);
      }
    }
  }

  void add_cosines(size_t r, size_t first, const double* g, const PairRow& row,
                   const PairColumns& columns, double* cosines, double* scratch, double* units,
                   PairSums& out) const {
    const size_t n = columns.n;
    pair_cosines(g, row, columns, ideal_, cosines, scratch);
    Moments moments;
    moments.count = static_cast<uint64_t>(
        n - static_cast<size_t>(std::count(columns.inverse_norms, columns.inverse_norms + n, 0.0)));
    if (moments.count == 0) return;
    out.max_angle_sum += simd::sum(scratch, n);
    moments.mean = simd::sum(cosines, n) / static_cast<double>(moments.count);
    pair_deviations(cosines, columns, moments.mean, scratch);
    moments.m2 = simd::sum(scratch, n);
    merge_moments(moments, out.cosine);
    const bool cancels = unit_squares(cosines, n, units);
    if (moments.count < n) exclude_zero_vectors(columns, cosines);
    const size_t largest = simd::first_maximum(cosines, n);
    keep_largest({r, first + largest, cosines[largest]}, out.coherence);
    size_t apart = n;
    if (cancels || moments.count < n) apart = settle_units(r, first, n, units, out);
    if (apart == 0) return;
    const UniformityMoments uniformity = uniformity_moments(units, apart, riesz_);
    merge_moments(uniformity.distance, out.unit_distance);
    merge_moments(uniformity.log, out.unit_log);
    merge_moments(uniformity.riesz, out.unit_riesz);
  }

  // Squared distances of unit rows that cancel, from differences. Those of zero vectors and of one
  // direction are taken out, and how many are left is returned.
  size_t settle_units(size_t r, size_t first, size_t n, double* units, PairSums& out) const {
    const ConstMatrix& x = input_.rows;
    size_t apart = 0;
    for (size_t c = first; c < first + n; ++c) {
      double square = units[c - first];
      if (inverse_norms_[c] == 0) continue;
      if (square < kUnitsCancel) {
        square = unit_squared_distance(x.row(r), std::sqrt(input_.squared_norms[r]), x.row(c),
                                       std::sqrt(input_.squared_norms[c]), x.cols);
        const double distance = std::sqrt(square);
        if (distance <= directions_[r] + directions_[c]) {
          merge_moments({1, distance, 0}, out.unit_distance);
          keep_first({r, c, distance}, out.aligned);
          continue;
        }
      }
      units[apart++] = square;
    }
    return apart;
  }

  void keep_nearest(size_t row, size_t other, double square) {
    if (square < squares_[row] || (square == squares_[row] && other < out_.nearest[row])) {
      squares_[row] = square;
      out_.nearest[row] = other;
    }
  }

  void merge_strip(size_t r0, size_t rows, size_t c0, size_t cols, const StripSums& strip) {
    const PairSums& from = strip.sums;
    out_.pairs += from.pairs;
    merge_moments(from.cosine, out_.cosine);
    out_.max_angle_sum += from.max_angle_sum;
    merge_moments(from.unit_distance, out_.unit_distance);
    merge_moments(from.unit_log, out_.unit_log);
    merge_moments(from.unit_riesz, out_.unit_riesz);
    out_.cdnv_sum += from.cdnv_sum;
    out_.cdnv_fourth_sum += from.cdnv_fourth_sum;
    off_diagonal_ += strip.off_diagonal;
    if (from.coherence) keep_largest(*from.coherence, out_.coherence);
    if (from.cdnv_worst) keep_largest(*from.cdnv_worst, out_.cdnv_worst);
    if (from.equal) keep_first(*from.equal, out_.equal);
    if (from.aligned) keep_first(*from.aligned, out_.aligned);
    for (size_t i = 0; i < rows; ++i) {
      if (strip.row_square[i] < kFar) {
        keep_nearest(r0 + i, strip.row_nearest[i], strip.row_square[i]);
      }
    }
    for (size_t j = 0; j < cols; ++j) {
      if (strip.nearest[j] < kFar) {
        keep_nearest(c0 + j, static_cast<size_t>(strip.nearest_row[j]), strip.nearest[j]);
      }
    }
  }

  PairSums finish() {
    out_.nearest_distance.resize(p_);
    for (size_t c = 0; c < p_; ++c) out_.nearest_distance[c] = std::sqrt(squares_[c]);
    if (out_.coherence) out_.coherence->value = std::clamp(out_.coherence->value, -1.0, 1.0);
    // E_cc = E_cc' + 1/sqrt(P-1).
    const double ideal_diagonal =
        ideal_gram_ + input_.etf_scale / std::sqrt(static_cast<double>(p_ - 1));
    out_.gram_residual =
        2 * off_diagonal_ + simd::squared_offset(input_.squared_norms.data(), ideal_diagonal, p_);
    return std::move(out_);
  }

  const PairInput& input_;
  ThreadPool& pool_;
  size_t p_;
  double ideal_;       // 1 / (P - 1)
  double ideal_gram_;  // alpha E_cc' for c != c'
  RieszPower riesz_;
  std::vector<double> inverse_norms_;
  std::vector<double> directions_;  // [P] direction_resolution
  std::vector<StripSums> strips_;
  std::vector<double> squares_;  // [P] smallest squared distance so far
  double off_diagonal_ = 0;
  PairSums out_;
};

}  // namespace

PairSums CpuDevice::do_pair_reduce(const PairInput& input) {
  return PairSweep(input, *pool_).run();
}

}  // namespace ncscope
