#include "kernels/metrics/between_spectrum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "kernels/errors.h"
#include "kernels/metrics/between_product.h"
#include "kernels/metrics/lanczos.h"
#include "kernels/metrics/solution_trace.h"

namespace ncscope::metrics {
namespace {

// An estimate of the smallest eigenvalue this close to the cut-off does not decide the rank.
constexpr double kCutoffMargin = 16;

// Columns of S_W that are in device memory at a time.
constexpr size_t kPanel = 256;

ConstMatrix columns(ConstMatrix matrix, size_t first, size_t count) {
  return {matrix.data + first, matrix.rows, count, matrix.stride};
}

double trace_of_product(Device& device, ConstMatrix a, ConstMatrix b) {
  const std::vector<double> dots = device.row_dots(a, b);
  return std::accumulate(dots.begin(), dots.end(), 0.0);
}

// Numbers per row of X [m, d] whose weighted sum over the rows is <X S, D Y>, D the weights, for
// each Y of `others`, S symmetric [d, d] in host memory. Holds where X^T D Y is symmetric: then the
// blocks of S above its diagonal, counted twice, stand for those below, which halves the work.
std::vector<std::vector<double>> symmetric_dots(Device& device, ConstMatrix x, ConstMatrix s,
                                                const std::vector<ConstMatrix>& others) {
  std::vector<std::vector<double>> dots(others.size(), std::vector<double>(x.rows, 0.0));
  for (size_t first = 0; first < x.cols; first += kPanel) {
    const size_t width = std::min(kPanel, x.cols - first);
    const DeviceMatrix panel = device.upload({s.row(first), width, first + width, s.stride});
    const DeviceMatrix product = device.matrix(x.rows, width);
    device.gemm(false, true, 1, columns(x, first, width), columns(panel, first, width), 0, product);
    if (first > 0) {
      device.gemm(false, true, 2, columns(x, 0, first), columns(panel, 0, first), 1, product);
    }
    for (size_t i = 0; i < others.size(); ++i) {
      const std::vector<double> part = device.row_dots(product, columns(others[i], first, width));
      for (size_t r = 0; r < x.rows; ++r) dots[i][r] += part[r];
    }
  }
  return dots;
}

// tr((L L^T)^-1) as the mean of z^T (L L^T)^-1 z over some vectors z of random signs (Hutchinson).
double estimated_inverse_trace(Device& device, ConstMatrix factor) {
  constexpr size_t kVectors = 16;
  std::mt19937_64 random(1);
  std::vector<double> signs(factor.rows * kVectors);
  for (double& sign : signs) sign = (random() & 1) != 0 ? 1 : -1;
  const DeviceMatrix solved = device.upload({signs.data(), factor.rows, kVectors});
  device.cholesky_solve(factor, solved);
  std::vector<double> host(signs.size());
  device.download(solved, host.data());
  return std::inner_product(signs.begin(), signs.end(), host.begin(), 0.0) / kVectors;
}

// One S_B, by whichever of the two routes its shape asks for.
class BetweenScatter {
 public:
  BetweenScatter(Device& device, ConstMatrix means, std::span<const double> weights, double noise,
                 DeviceMatrix products, std::span<const double> null)
      : device_(device),
        means_(means),
        noise_(noise),
        gram_route_(by_classes(means)),
        equal_weights_(std::ranges::all_of(weights, [&](double w) { return w == weights[0]; })),
        products_(std::move(products)) {
    for (const double w : weights) root_weights_.push_back(std::sqrt(w));
    null_ = null.empty() ? root_weights_ : std::vector<double>(null.begin(), null.end());
    if (gram_route_) weighted_ = weighted_rows(device, means, root_weights_);
  }

  BetweenSpectrum spectrum(ConstMatrix scatter) {
    std::optional<BetweenSpectrum> found = by_cholesky(scatter);
    return found ? std::move(*found) : by_eigen(scatter);
  }

 private:
  size_t order() const { return gram_route_ ? means_.rows : means_.cols; }
  size_t full_rank() const { return std::min(means_.rows - 1, means_.cols); }
  double cutoff_at(double largest) const {
    const auto size = static_cast<double>(std::max(means_.rows, means_.cols));
    // Rounding errors share their trace among the directions.
    return std::max(size * std::numeric_limits<double>::epsilon() * largest,
                    noise_ / static_cast<double>(full_rank()));
  }

  // BB^T or B^T B.
  DeviceMatrix product() {
    if (gram_route_ && equal_weights_ && products_.rows() == order()) {
      DeviceMatrix out = std::exchange(products_, {});
      const double weight = root_weights_[0] * root_weights_[0];
      device_.scale_rows(out, std::vector<double>(order(), weight));
      return out;
    }
    DeviceMatrix out = device_.matrix(order(), order());
    if (gram_route_) {
      device_.syrk(false, 1, weighted_, 0, out);
      return out;
    }
    add_between_scatter(device_, means_, root_weights_, 0, out);
    return out;
  }

  // Adds a zz^T, a the mean of the other eigenvalues: a definite matrix with the same extreme ones.
  void fill_null_space(Matrix gram) {
    const double trace = trace_of_product(device_, weighted_, weighted_);
    const DeviceMatrix z = device_.upload({null_.data(), null_.size(), 1});
    device_.gemm(false, true, trace / static_cast<double>(order() - 1), z, z, 1, gram);
  }

  // Nothing where S_B is or may be rank-deficient.
  std::optional<BetweenSpectrum> by_cholesky(ConstMatrix scatter) {
    DeviceMatrix factor = product();
    if (gram_route_) fill_null_space(factor);
    const size_t n = order();
    DeviceMatrix x = device_.matrix(n, 1);
    DeviceMatrix y = device_.matrix(n, 1);
    const size_t bytes = n * sizeof(double);
    const std::optional<double> largest = largest_eigenvalue(n, [&](std::span<double> v) {
      device_.copy_to_device(x.view().data, v.data(), bytes);
      device_.gemm(false, false, 1, factor, x, 0, y);
      device_.copy_to_host(v.data(), y.view().data, bytes);
    });
    if (!largest || !device_.cholesky(factor)) return std::nullopt;
    const std::optional<double> inverse = largest_eigenvalue(n, [&](std::span<double> v) {
      device_.copy_to_device(x.view().data, v.data(), bytes);
      device_.cholesky_solve(factor, x);
      device_.copy_to_host(v.data(), x.view().data, bytes);
    });
    BetweenSpectrum out;
    out.cutoff = cutoff_at(*largest);
    // The negation also catches an inverse that overflowed.
    if (!inverse || !(1 / *inverse > kCutoffMargin * out.cutoff)) return std::nullopt;
    out.rank = full_rank();
    out.largest = *largest;
    out.smallest = 1 / *inverse;

    if (gram_route_) {  // S_B^+ = X^T X, and X^T B projects on its span, with X = (BB^T)^+ B
      device_.cholesky_solve(factor, weighted_);
      const auto dots = symmetric_dots(device_, weighted_, scatter, {weighted_, means_});
      for (size_t c = 0; c < n; ++c) {
        out.pinv_trace += dots[0][c];
        out.span_trace += root_weights_[c] * dots[1][c];
      }
      out.inverse_trace = trace_of_product(device_, weighted_, weighted_);
    } else {
      for (size_t i = 0; i < n; ++i) out.span_trace += scatter.row(i)[i];
      out.pinv_trace = trace_of_solution(device_, factor, scatter);
      out.inverse_trace = estimated_inverse_trace(device_, factor);
    }
    return out;
  }

  BetweenSpectrum by_eigen(ConstMatrix scatter) {
    DeviceMatrix vectors = product();
    const std::vector<double> values = device_.eigh(vectors);
    const size_t n = order();
    BetweenSpectrum out;
    out.used_eigen = true;
    out.largest = values.back();
    out.cutoff = cutoff_at(out.largest);
    // The null vector of BB^T is never among the kept, whatever rounding made of its eigenvalue.
    while (out.rank < full_rank() && values[n - 1 - out.rank] > out.cutoff) ++out.rank;
    if (out.rank == 0) return out;
    const size_t first = n - out.rank;
    out.smallest = values[first];

    // Rows q_k = u_k^T B of length sqrt(lambda_k), or the eigenvectors of S_B themselves.
    ConstMatrix rows = vectors.view().slice_rows(first, out.rank);
    DeviceMatrix projected;
    if (gram_route_) {
      projected = device_.matrix(out.rank, means_.cols);
      device_.gemm(false, false, 1, rows, weighted_, 0, projected);
      rows = projected;
    }
    const std::vector<double> along = symmetric_dots(device_, rows, scatter, {rows})[0];
    std::vector<double> roots;
    for (size_t k = 0; k < out.rank; ++k) {
      const double lambda = values[first + k];
      const double variance = gram_route_ ? along[k] / lambda : along[k];
      out.span_trace += variance;
      out.pinv_trace += variance / lambda;
      out.inverse_trace += 1 / lambda;
      roots.push_back(std::sqrt(lambda));
    }
    out.root = gram_route_ ? std::move(projected) : weighted_rows(device_, rows, roots);
    return out;
  }

  Device& device_;
  ConstMatrix means_;
  double noise_;
  bool gram_route_;
  bool equal_weights_;
  DeviceMatrix products_;  // MM^T, or empty
  std::vector<double> root_weights_;
  std::vector<double> null_;  // z
  DeviceMatrix weighted_;     // B, on the Gram route
};

}  // namespace

BetweenSpectrum between_spectrum(Device& device, ConstMatrix means, std::span<const double> weights,
                                 ConstMatrix scatter, double samples, double noise,
                                 DeviceMatrix products, std::span<const double> null) {
  if (means.rows < 2) {
    throw InvalidArgument("between_spectrum: expected at least two classes, got " +
                          std::to_string(means.rows));
  }
  BetweenSpectrum out =
      BetweenScatter(device, means, weights, noise, std::move(products), null).spectrum(scatter);
  out.pinv_trace /= samples;
  out.span_trace /= samples;
  return out;
}

}  // namespace ncscope::metrics
