// nc1.vci = 1 - tr(S_T^+ S_B) / rank(S_B), the variability collapse index (Xu and Liu, arXiv
// 2306.03440), without the subtraction, which would leave nothing of a small index. With S_B = A^T
// A and G = A S_W^+ A^T it is tr((I + G)^-1) / rank; where S_B has full rank d, tr(S_T^-1 S_W) / d.
// A direction of the span in which S_W is zero counts 0, as its limit does.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/errors.h"
#include "kernels/metrics/between_product.h"
#include "kernels/metrics/lanczos.h"
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/resolution.h"
#include "kernels/metrics/solution_trace.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

// Rows that are solved for at a time.
constexpr size_t kSolvedRows = 256;

DeviceMatrix identity(Device& device, size_t n) {
  std::vector<double> host(n * n);
  for (size_t i = 0; i < n; ++i) host[i * n + i] = 1;
  return device.upload({host.data(), n, n});
}

// [n, columns] random signs, for Hutchinson's estimate of a trace.
DeviceMatrix random_signs(Device& device, size_t n, size_t columns) {
  std::mt19937_64 random(1);
  std::vector<double> signs(n * columns);
  for (double& sign : signs) sign = (random() & 1) != 0 ? 1 : -1;
  return device.upload({signs.data(), n, columns});
}

double square_of(Device& device, ConstMatrix a) {
  const std::vector<double> squares = device.row_dots(a, a);
  return std::accumulate(squares.begin(), squares.end(), 0.0);
}

// N S_W = R C R, R the roots of its diagonal: what matters is how small the eigenvalues of the
// correlations C are, not those of S_W, and a feature of small variance loses nothing beside one of
// large variance.
struct Correlations {
  std::vector<double> matrix;         // [d, d] C; rows of features that never vary are zero
  std::vector<double> inverse_roots;  // [d] of the diagonal; 1 for a feature that never varies
  bool constant = false;              // whether some feature never varies
  bool all_constant = true;

  bool varies(size_t feature) const { return matrix[feature * inverse_roots.size() + feature] > 0; }
};

Correlations correlations_of(const Statistics& statistics) {
  const size_t dim = statistics.dim;
  Correlations out;
  for (size_t j = 0; j < dim; ++j) {
    const double variance = statistics.scatter[j * dim + j];
    out.inverse_roots.push_back(variance > 0 ? 1 / std::sqrt(variance) : 1);
    if (variance > 0) out.all_constant = false;
    if (!(variance > 0)) out.constant = true;
  }
  out.matrix = statistics.scatter;
  for (size_t i = 0; i < dim; ++i) {
    for (size_t j = 0; j < dim; ++j) {
      out.matrix[i * dim + j] *= out.inverse_roots[i] * out.inverse_roots[j];
    }
    if (out.matrix[i * dim + i] > 0) out.matrix[i * dim + i] = 1;
  }
  return out;
}

// Eigenvalues this many times their rounding are no rounding.
constexpr double kMargin = 16;

// How far the null directions of S_W may be turned by rounding, as an angle.
constexpr double kLargestBlur = 0x1p-10;

// Eigenvalues of C are off by this share of the largest.
double rounding_of(size_t dim) {
  return static_cast<double>(dim) * std::numeric_limits<double>::epsilon();
}

// The index, and how far rounding errors of S_W may have moved it: those of size e by e times
// ||S_T^-1 A^T||_F^2 / rank, estimated from some random vectors.
class CollapseIndex {
 public:
  explicit CollapseIndex(Analysis& analysis)
      : device_(analysis.device()),
        statistics_(analysis.statistics()),
        means_(analysis.centered_means()),
        roots_(analysis.root_weights()),
        between_(analysis.between()),
        samples_(static_cast<double>(statistics_.samples)) {
    if (between_.rank == statistics_.dim && !between_.used_eigen) {
      of_full_rank();
    } else {
      in_the_span();
    }
    value_ /= static_cast<double>(between_.rank);
    error_ *= scatter_error(statistics_) / static_cast<double>(between_.rank);
  }

  double value() const { return value_; }
  double error() const { return error_; }

 private:
  static constexpr size_t kSigns = 8;

  // With N S_T = N S_W + N S_B.
  void of_full_rank() {
    const size_t dim = statistics_.dim;
    const ConstMatrix scatter(statistics_.scatter.data(), dim, dim);
    const DeviceMatrix total = device_.upload(scatter);
    std::vector<double> roots = roots_;
    for (double& root : roots) root *= std::sqrt(samples_);
    add_between_scatter(device_, means_, roots, 1, total);
    if (!device_.cholesky(total)) throw NumericalError("S_T is not positive definite");
    value_ = trace_of_solution(device_, total, scatter);

    const DeviceMatrix signs = random_signs(device_, dim, kSigns);
    device_.cholesky_solve(total, signs);
    const DeviceMatrix along = device_.matrix(means_.rows, kSigns);
    device_.gemm(false, false, samples_, means_, signs, 0, along);
    device_.scale_rows(along, roots_);
    error_ = square_of(device_, along) / kSigns;
  }

  void in_the_span() {
    DeviceMatrix weighted;
    const bool with_null = !between_.used_eigen;
    if (with_null) weighted = weighted_rows(device_, means_, roots_);
    const ConstMatrix a = with_null ? ConstMatrix(weighted) : ConstMatrix(between_.root);
    const Correlations correlations = correlations_of(statistics_);
    if (correlations.all_constant) return;  // S_W is zero
    if (correlations.constant || !by_cholesky(a, correlations, with_null)) {
      by_eigen(a, correlations, with_null);
    }
  }

  // False where S_W is or may be singular.
  bool by_cholesky(ConstMatrix a, const Correlations& correlations, bool with_null) {
    const size_t dim = a.cols;
    const DeviceMatrix factor = device_.upload({correlations.matrix.data(), dim, dim});
    if (!device_.cholesky(factor)) return false;
    const DeviceMatrix x = device_.matrix(dim, 1);
    const std::optional<double> inverse = largest_eigenvalue(dim, [&](std::span<double> v) {
      device_.copy_to_device(x.view().data, v.data(), v.size_bytes());
      device_.cholesky_solve(factor, x);
      device_.copy_to_host(v.data(), x.view().data, v.size_bytes());
    });
    // The trace of C is d, and bounds its largest eigenvalue.
    const double least = kMargin * rounding_of(dim) * static_cast<double>(dim);
    if (!inverse || !(1 / *inverse > least)) return false;
    const auto solve = [&](Matrix columns) {  // (N S_W)^-1 X
      device_.scale_rows(columns, correlations.inverse_roots);
      device_.cholesky_solve(factor, columns);
      device_.scale_rows(columns, correlations.inverse_roots);
    };

    // G = A S_W^-1 A^T.
    const DeviceMatrix gram = device_.matrix(a.rows, a.rows);
    const size_t panel = std::min(kSolvedRows, a.rows);
    const DeviceMatrix one = identity(device_, panel);
    for (size_t first = 0; first < a.rows; first += panel) {
      const size_t count = std::min(panel, a.rows - first);
      const DeviceMatrix solved = device_.matrix(dim, count);
      device_.gemm(true, false, samples_, a.slice_rows(first, count),
                   {one.view().data, count, count, panel}, 0, solved);
      solve(solved);
      device_.gemm(false, false, 1, a, solved, 0,
                   {gram.view().data + first, a.rows, count, a.rows});
    }
    const double filled = add_identity(gram, with_null);
    if (!device_.cholesky(gram)) throw NumericalError("I + A S_W^-1 A^T is not positive definite");
    value_ = trace_of_inverse(device_, gram) - (with_null ? 1 / (1 + filled) : 0);

    // S_T^-1 A^T is S_W^-1 A^T (I + G)^-1.
    const DeviceMatrix signs = random_signs(device_, a.rows, kSigns);
    device_.cholesky_solve(gram, signs);
    const DeviceMatrix along = device_.matrix(dim, kSigns);
    device_.gemm(true, false, samples_, a, signs, 0, along);
    solve(along);
    error_ = square_of(device_, along) / kSigns;
    return true;
  }

  // Directions in which S_W is zero but the means differ have an index of 0. They are taken out of
  // the span: on its rest, rows Z, the index is tr((I + Z G Z^T)^-1), G over what S_W has.
  void by_eigen(ConstMatrix a, const Correlations& correlations, bool with_null) {
    const size_t dim = a.cols;
    const DeviceMatrix axes = device_.upload({correlations.matrix.data(), dim, dim});
    const std::vector<double> values = device_.eigh(axes);
    // What the zero eigenvalues have become shows how large rounding really is.
    const double least = std::max(-2 * values.front(), kMargin * rounding_of(dim) * values.back());
    const auto rest = std::ranges::upper_bound(values, least);
    if (rest == values.end()) throw NumericalError("S_W is not positive semi-definite");
    const auto nulls = static_cast<size_t>(rest - values.begin());
    const DeviceMatrix scaled = scaled_columns(a, correlations);  // A R^-1
    const DeviceMatrix z =
        complement(scaled, axes.view().slice_rows(0, nulls), least / *rest, with_null);
    if (z.rows() == 0) return;

    const Matrix along = axes.view().slice_rows(nulls, dim - nulls);
    std::vector<double> scales;
    for (auto value = rest; value != values.end(); ++value) {
      scales.push_back(std::sqrt(samples_ / *value));
    }
    device_.scale_rows(along, scales);  // S_W^+ = R^-1 X^T X R^-1
    const DeviceMatrix span = device_.matrix(z.rows(), dim);
    device_.gemm(false, false, 1, z, scaled, 0, span);
    const DeviceMatrix whitened = device_.matrix(z.rows(), along.rows);
    device_.gemm(false, true, 1, span, along, 0, whitened);
    const DeviceMatrix gram = device_.matrix(z.rows(), z.rows());
    device_.syrk(false, 1, whitened, 0, gram);
    add_identity(gram, false);
    if (!device_.cholesky(gram)) throw NumericalError("I + A S_W^+ A^T is not positive definite");
    value_ = trace_of_inverse(device_, gram);

    const DeviceMatrix signs = random_signs(device_, z.rows(), kSigns);
    device_.cholesky_solve(gram, signs);
    const DeviceMatrix coefficients = device_.matrix(along.rows, kSigns);
    device_.gemm(true, false, 1, whitened, signs, 0, coefficients);
    const DeviceMatrix solved = device_.matrix(dim, kSigns);
    device_.gemm(true, false, 1, along, coefficients, 0, solved);
    device_.scale_rows(solved, correlations.inverse_roots);
    error_ = square_of(device_, solved) / kSigns;
  }

  // A R^-1. Where a feature never varies any scale will do: that of the largest column, unless the
  // means do not vary either.
  DeviceMatrix scaled_columns(ConstMatrix a, const Correlations& correlations) {
    std::vector<double> host(a.rows * a.cols);
    device_.download(a, host.data());
    std::vector<double> squares(a.cols);
    for (size_t i = 0; i < host.size(); ++i) squares[i % a.cols] += host[i] * host[i];
    std::vector<double> scales = correlations.inverse_roots;
    double largest = 0;
    for (size_t j = 0; j < a.cols; ++j) {
      if (!correlations.varies(j)) continue;
      largest = std::max(largest, std::sqrt(squares[j]) * scales[j]);
    }
    if (largest == 0) largest = 1;
    for (size_t j = 0; j < a.cols; ++j) {
      if (correlations.varies(j)) continue;
      scales[j] = squares[j] > between_.cutoff ? largest / std::sqrt(squares[j]) : 0;
    }
    for (size_t i = 0; i < host.size(); ++i) host[i] *= scales[i % a.cols];
    return device_.upload({host.data(), a.rows, a.cols});
  }

  // Orthonormal rows Z [., m] that span the left null space of A N^T, N [., d] the null directions
  // of C; without sqrt(w), which is there where A is B. `blur` is how far rounding may have turned
  // N, as an angle.
  DeviceMatrix complement(ConstMatrix a, ConstMatrix nulls, double blur, bool with_null) {
    if (blur > kLargestBlur) {
      throw NumericalError("where S_W is singular cannot be told from its rounding");
    }
    const DeviceMatrix square = device_.matrix(a.rows, a.rows);
    {
      const DeviceMatrix outside = device_.matrix(a.rows, nulls.rows);
      device_.gemm(false, true, 1, a, nulls, 0, outside);
      device_.syrk(false, 1, outside, 0, square);
    }
    const double size = square_of(device_, a);
    if (with_null) {
      const DeviceMatrix w = device_.upload({roots_.data(), roots_.size(), 1});
      device_.gemm(false, true, size, w, w, 1, square);
    }
    const std::vector<double> values = device_.eigh(square);
    const double least =
        size * std::max(static_cast<double>(a.rows) * std::numeric_limits<double>::epsilon(),
                        kMargin * blur * blur);
    const auto count = std::ranges::upper_bound(values, least) - values.begin();
    if (count == 0) return {};
    return copy_of(device_, square.view().slice_rows(0, static_cast<size_t>(count)));
  }

  // G becomes I + G. With A = B, sqrt(w)^T A = 0: there I + G is 1, which would be subtracted from
  // the trace of its inverse, and is made larger by what is returned, the mean of the rest.
  double add_identity(Matrix gram, bool with_null) {
    const size_t n = gram.rows;
    std::vector<double> host(n * n);
    device_.download(gram, host.data());
    double filled = 0;
    if (with_null) {
      for (size_t i = 0; i < n; ++i) filled += host[i * n + i];
      filled /= static_cast<double>(between_.rank);
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; with_null && j < n; ++j) host[i * n + j] += filled * roots_[i] * roots_[j];
      host[i * n + i] += 1;
    }
    device_.copy_to_device(gram.data, host.data(), host.size() * sizeof(double));
    return filled;
  }

  Device& device_;
  const Statistics& statistics_;
  ConstMatrix means_;
  const std::vector<double>& roots_;
  const BetweenSpectrum& between_;
  double samples_;
  double value_ = 0;
  double error_ = 0;
};

// How far outside [0, 1] rounding in float64 may take an index.
constexpr double kRounding = 0x1p-40;

std::optional<std::string> why_no_index(Analysis& analysis) {
  if (analysis.no_between()) return analysis.no_between();
  if (analysis.no_within()) return analysis.no_within();
  if (analysis.between().rank == 0) return "the class means differ by no more than their rounding";
  return std::nullopt;
}

}  // namespace

void nc1_vci(Analysis& analysis, ReportValues& out) {
  try {
    if (const auto reason = why_no_index(analysis)) {
      out.undefined("nc1.vci", *reason);
      return;
    }
    if (analysis.within_trace() == 0) {
      out.set("nc1.vci", 0);
      return;
    }
    const CollapseIndex index(analysis);
    if (index.value() < -kRounding || index.value() > 1 + kRounding) {
      out.undefined("nc1.vci",
                    "S_W within the span of the class means is below what its products resolve");
      return;
    }
    out.set("nc1.vci", std::clamp(index.value(), 0.0, 1.0));
    if (index.error() > kMarked * index.value()) {
      out.warn("vci_resolution",
               uncertain(analysis.statistics(), "nc1.vci", std::min(1.0, index.error())));
    }
  } catch (const NumericalError& error) {
    out.undefined("nc1.vci", error.what());
  }
}

}  // namespace ncscope::metrics
