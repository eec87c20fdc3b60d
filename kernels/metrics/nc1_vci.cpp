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
#include <string>
#include <vector>

#include "kernels/errors.h"
#include "kernels/metrics/between_product.h"
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/resolution.h"
#include "kernels/metrics/solution_trace.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

// Rows that are solved for at a time.
constexpr size_t kPanel = 256;

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

// (N S_W)^-1 on the device, through the correlations C: N S_W = R C R with R the roots of its
// diagonal, so that a feature of small variance loses nothing beside one of large variance.
class WithinInverse {
 public:
  WithinInverse(Device& device, const Statistics& statistics) : device_(device) {
    const size_t dim = statistics.dim;
    const double rounding = static_cast<double>(dim) * std::numeric_limits<double>::epsilon();
    std::vector<double> correlations = correlate(statistics);
    // Features that are sums of others leave nothing for Cholesky but rounding.
    for (size_t j = 0; j < dim; ++j) correlations[j * dim + j] += rounding;
    factor_ = device.upload({correlations.data(), dim, dim});
    if (device.cholesky(factor_)) return;
    // What the zero eigenvalues have become shows how large rounding really is.
    for (size_t j = 0; j < dim; ++j) correlations[j * dim + j] = 1;
    device.copy_to_device(factor_.view().data, correlations.data(),
                          correlations.size() * sizeof(double));
    values_ = device.eigh(factor_);
    const double least = std::max(-2 * values_.front(), rounding * values_.back());
    for (double& x : values_) x = 1 / std::max(x, least);
  }

  // X becomes (N S_W)^-1 X.
  void solve(Matrix x) const {
    device_.scale_rows(x, inverse_roots_);
    if (values_.empty()) {
      device_.cholesky_solve(factor_, x);
    } else {
      const DeviceMatrix along = device_.matrix(x.rows, x.cols);
      device_.gemm(false, false, 1, factor_, x, 0, along);
      device_.scale_rows(along, values_);
      device_.gemm(true, false, 1, factor_, along, 0, x);
    }
    device_.scale_rows(x, inverse_roots_);
  }

 private:
  // C, with a diagonal of ones, and inverse_roots_. A feature that never varies counts as one that
  // varies by less than rounding of the least.
  std::vector<double> correlate(const Statistics& statistics) {
    const size_t dim = statistics.dim;
    const auto variance = [&](size_t j) { return statistics.scatter[j * dim + j]; };
    double least = std::numeric_limits<double>::max();
    for (size_t j = 0; j < dim; ++j) {
      if (variance(j) > 0) least = std::min(least, variance(j));
    }
    least *= std::numeric_limits<double>::epsilon();
    for (size_t j = 0; j < dim; ++j) {
      inverse_roots_.push_back(1 / std::sqrt(variance(j) > 0 ? variance(j) : least));
    }
    std::vector<double> out(dim * dim);
    for (size_t i = 0; i < dim; ++i) {
      for (size_t j = 0; j < dim; ++j) {
        out[i * dim + j] = statistics.scatter[i * dim + j] * inverse_roots_[i] * inverse_roots_[j];
      }
      out[i * dim + i] = 1;
    }
    return out;
  }

  Device& device_;
  std::vector<double> inverse_roots_;  // [d]
  DeviceMatrix factor_;                // of Cholesky, or eigenvectors in rows
  std::vector<double> values_;         // inverse eigenvalues, or empty
};

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
    const WithinInverse within(device_, statistics_);
    const DeviceMatrix gram = inverse_gram(within, a);
    const double filled = add_identity(gram, with_null);
    if (!device_.cholesky(gram)) throw NumericalError("I + A S_W^+ A^T is not positive definite");
    value_ = trace_of_inverse(device_, gram) - (with_null ? 1 / (1 + filled) : 0);
    value_ = std::max(0.0, value_);

    // S_T^-1 A^T is S_W^-1 A^T (I + G)^-1.
    const DeviceMatrix signs = random_signs(device_, a.rows, kSigns);
    device_.cholesky_solve(gram, signs);
    const DeviceMatrix along = device_.matrix(a.cols, kSigns);
    device_.gemm(true, false, samples_, a, signs, 0, along);
    within.solve(along);
    error_ = square_of(device_, along) / kSigns;
  }

  // A S_W^+ A^T [m, m], for A [m, d].
  DeviceMatrix inverse_gram(const WithinInverse& within, ConstMatrix a) {
    DeviceMatrix gram = device_.matrix(a.rows, a.rows);
    const size_t panel = std::min(kPanel, a.rows);
    const DeviceMatrix one = identity(device_, panel);
    for (size_t first = 0; first < a.rows; first += panel) {
      const size_t count = std::min(panel, a.rows - first);
      const DeviceMatrix solved = device_.matrix(a.cols, count);
      device_.gemm(true, false, samples_, a.slice_rows(first, count),
                   {one.view().data, count, count, panel}, 0, solved);
      within.solve(solved);
      device_.gemm(false, false, 1, a, solved, 0,
                   {gram.view().data + first, a.rows, count, a.rows});
    }
    return gram;
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
    out.set("nc1.vci", index.value());
    if (index.error() > kMarked * index.value()) {
      out.warn("vci_resolution", uncertain(analysis.statistics(), "nc1.vci", index.error()));
    }
  } catch (const NumericalError& error) {
    out.undefined("nc1.vci", error.what());
  }
}

}  // namespace ncscope::metrics
