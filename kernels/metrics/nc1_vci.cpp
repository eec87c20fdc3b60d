// nc1.vci = 1 - tr(S_T^+ S_B) / rank(S_B), the variability collapse index (Xu and Liu, arXiv
// 2306.03440), without the subtraction, which would leave nothing of a small index. With S_B = A^T
// A and G = A S_W^+ A^T it is tr((I + G)^-1) / rank; where S_B has full rank d, tr(S_T^-1 S_W) / d.
// A direction of the span in which S_W is zero counts 0, as its limit does.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/errors.h"
#include "kernels/metrics/between_product.h"
#include "kernels/metrics/graded_trace.h"
#include "kernels/metrics/lanczos.h"
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/resolution.h"
#include "kernels/metrics/solution_trace.h"
#include "kernels/metrics/undefined.h"
#include "kernels/metrics/within_correlations.h"

namespace ncscope::metrics {
namespace {

// Rows of S_W that are in device memory at a time.
constexpr size_t kScatterRows = 256;

// Eigenvalues this many times their rounding are no rounding.
constexpr double kMargin = 16;

// An index that is no more than this is nothing where S_W has no samples to be anything.
constexpr double kSmallShare = 0x1p-30;

// How far rounding may turn the directions in which S_W is zero, as an angle.
constexpr double kLargestTurn = 0x1p-10;

// How far outside [0, 1] rounding in float64 may take an index.
constexpr double kRounding = 0x1p-40;

// The index and its errors, each estimated from some random vectors.
class CollapseIndex {
 public:
  explicit CollapseIndex(Analysis& analysis)
      : device_(analysis.device()),
        analysis_(analysis),
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
    const auto rank = static_cast<double>(between_.rank);
    value_ /= rank;
    arithmetic_ /= rank;
    error_ = (error_ * scatter_error(statistics_) + unresolved_) / rank + arithmetic_;
  }

  double value() const { return value_; }
  // How far rounding errors of S_W, of the means and of what is computed from them may have moved
  // it.
  double error() const { return error_; }
  // The share of that which more exact products would not change.
  double arithmetic() const { return arithmetic_; }

 private:
  // With N S_T = N S_W + N S_B.
  void of_full_rank() {
    const size_t dim = statistics_.dim;
    const ConstMatrix scatter(statistics_.scatter.data(), dim, dim);
    const DeviceMatrix total = device_.upload(scatter);
    add_between(total);
    std::vector<double> sizes(dim);
    device_.download({total.view().data, dim, 1, dim + 1}, sizes.data());
    for (double& size : sizes) size = std::sqrt(size);
    if (!device_.cholesky(total)) throw NumericalError("S_T is not positive definite");
    value_ = trace_of_solution(device_, total, scatter);

    const DeviceMatrix signs = signed_columns(device_, std::vector<double>(dim, 1.0));
    device_.cholesky_solve(total, signs);
    const DeviceMatrix along = device_.matrix(means_.rows, kTraceSigns);
    device_.gemm(false, false, samples_, means_, signs, 0, along);
    device_.scale_rows(along, roots_);
    error_ = square_of(device_, along) / kTraceSigns;

    // A factor's element is off by eps times the roots of its two diagonal ones.
    const DeviceMatrix sized = signed_columns(device_, sizes);
    device_.cholesky_solve(total, sized);
    arithmetic_ = kMargin * std::numeric_limits<double>::epsilon() * within_square(sized);
    unresolved_ = hidden_by_products(total);
  }

  void add_between(Matrix total) {
    std::vector<double> roots = roots_;
    for (double& root : roots) root *= std::sqrt(samples_);
    add_between_scatter(device_, means_, roots, 1, total);
  }

  // What rounding of products takes from an index of directions in which S_T is not above it:
  // tr(D (S_T + D^2)^-1 D), D^2 that share of the diagonal of S_W.
  double hidden_by_products(const DeviceMatrix& total) {
    const size_t dim = statistics_.dim;
    std::vector<double> sizes(dim);
    for (size_t j = 0; j < dim; ++j) {
      sizes[j] = std::sqrt(product_rounding() * statistics_.scatter[j * dim + j]);
    }
    const auto share = [&] {
      const DeviceMatrix sized = signed_columns(device_, sizes);
      const DeviceMatrix solved = copy_of(device_, sized);
      device_.cholesky_solve(total, solved);
      const std::vector<double> dots = device_.row_dots(sized, solved);
      return std::accumulate(dots.begin(), dots.end(), 0.0) / kTraceSigns;
    };
    const double bound = share();
    if (bound <= kMarked * value_) return 0;
    std::vector<double> scatter = statistics_.scatter;
    for (size_t j = 0; j < dim; ++j) scatter[j * dim + j] += sizes[j] * sizes[j];
    device_.copy_to_device(total.view().data, scatter.data(), scatter.size() * sizeof(double));
    add_between(total);
    if (!device_.cholesky(total)) return bound;
    return share();
  }

  // tr(Y^T N S_W Y) / kTraceSigns for columns Y.
  double within_square(ConstMatrix y) {
    const size_t dim = statistics_.dim;
    double sum = 0;
    for (size_t first = 0; first < dim; first += kScatterRows) {
      const size_t count = std::min(kScatterRows, dim - first);
      const DeviceMatrix panel =
          device_.upload({statistics_.scatter.data() + first * dim, count, dim});
      const DeviceMatrix product = device_.matrix(count, y.cols);
      device_.gemm(false, false, 1, panel, y, 0, product);
      const std::vector<double> dots = device_.row_dots(product, y.slice_rows(first, count));
      sum = std::accumulate(dots.begin(), dots.end(), sum);
    }
    return sum / kTraceSigns;
  }

  void in_the_span() {
    const DeviceMatrix rows = scaled_root();
    const ConstMatrix a = rows.view().slice_rows(0, between_.rank);
    std::vector<double> spread(statistics_.dim);
    std::vector<double> noise(statistics_.dim);
    measure_means(spread, noise);
    // Where the rank is not full, what is below the cut-off is no part of A.
    const double least = between_.used_eigen ? samples_ * between_.cutoff : 0;
    const WithinCorrelations correlations = within_correlations(statistics_, spread, noise, least);
    if (correlations.varying == 0) return;  // S_W is zero
    for (size_t j = 0; j < noise.size(); ++j) noise[j] *= correlations.scales[j];
    if (!by_cholesky(a, correlations, noise)) by_eigen(a, correlations, noise);
  }

  // A sqrt(N), and below it what is no part of A: B has another basis of the classes, in which its
  // null vector sqrt(w) is the last axis (Householder).
  DeviceMatrix scaled_root() {
    const double root = std::sqrt(samples_);
    if (between_.used_eigen) {
      return weighted_rows(device_, between_.root, std::vector<double>(between_.rank, root));
    }
    std::vector<double> axis = roots_;
    for (double& weight : axis) weight *= root;
    DeviceMatrix rows = weighted_rows(device_, means_, axis);
    axis = roots_;
    axis.back() += 1;
    const DeviceMatrix v = device_.upload({axis.data(), axis.size(), 1});
    const DeviceMatrix along = device_.matrix(1, rows.cols());
    device_.gemm(true, false, -1 / axis.back(), v, rows, 0, along);
    device_.gemm(false, false, 1, v, along, 1, rows);
    return rows;
  }

  // For each feature the diagonal of N S_B, and how far rounding moves a mean, times sqrt(N).
  void measure_means(std::vector<double>& spread, std::vector<double>& noise) {
    const std::vector<double>& center = analysis_.global_mean();
    const size_t dim = statistics_.dim;
    for (size_t c = 0; c < statistics_.present(); ++c) {
      const double* const mean = statistics_.means.data() + c * dim;
      for (size_t j = 0; j < dim; ++j) {
        const double apart = roots_[c] * (mean[j] - center[j]);
        spread[j] += samples_ * apart * apart;
        noise[j] = std::max(noise[j], std::abs(mean[j]));
      }
    }
    const double epsilon = std::numeric_limits<double>::epsilon();
    const bool eigenvectors = between_.used_eigen && !by_classes(means_);
    const double root = eigenvectors ? std::sqrt(between_.largest) : 0;
    for (double& size : noise) size = epsilon * std::sqrt(samples_) * std::max(4 * size, root);
  }

  // False where S_W is or may be singular.
  bool by_cholesky(ConstMatrix a, const WithinCorrelations& correlations,
                   std::span<const double> noise) {
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
    const double rounding = kMargin * rounding_of(dim) * static_cast<double>(dim);
    const double least = std::max(rounding, product_rounding());
    if (!inverse || !(1 / *inverse > least)) return false;
    const GradedTrace trace = graded_trace(device_, a, [&](ConstMatrix rows) {
      return gram_by_factor(device_, factor, correlations.scales, rows);
    });
    take(trace, correlations, noise,
         [&](Matrix columns) { device_.cholesky_solve(factor, columns); });
    return true;
  }

  // Where an eigenvalue of C is no more than rounding, S_W is anything from nothing to that
  // rounding, and the index grows with it.
  void by_eigen(ConstMatrix a, const WithinCorrelations& correlations,
                std::span<const double> noise) {
    const size_t dim = a.cols;
    const DeviceMatrix axes = device_.upload({correlations.matrix.data(), dim, dim});
    const std::vector<double> values = device_.eigh(axes);
    // So many are zero for lack of samples; what has become of them shows how large rounding is.
    const uint64_t freedom = statistics_.samples - statistics_.present();
    size_t zeros =
        correlations.varying > freedom ? correlations.varying - static_cast<size_t>(freedom) : 0;
    double least = std::max(-2 * values.front(), kMargin * rounding_of(dim) * values.back());
    least = std::max(least, zeros > 0 ? 2 * values[zeros - 1] : product_rounding());
    const auto rest = std::ranges::upper_bound(values, least);
    if (rest == values.end()) throw NumericalError("S_W is not positive semi-definite");
    const auto nulls = static_cast<size_t>(rest - values.begin());
    zeros = std::min(zeros, nulls);

    // What rounding, which turns the null directions, has the means be along them.
    const double turned = least / *rest;
    if (zeros > 0 && turned > kLargestTurn) {
      throw NumericalError("where S_W is singular cannot be told from its rounding");
    }
    const double moved = *std::ranges::max_element(noise);
    const double nothing = kMargin * (values.back() * turned * turned + moved * moved);
    const double high = std::max(least, nothing);
    const double low = nothing < high / 2 ? nothing : kResolved * least;
    std::vector<double> scales;
    for (size_t k = 0; k < dim; ++k) {
      const double value = k < zeros ? nothing : k < nulls ? high : values[k];
      scales.push_back(1 / std::sqrt(value));
    }
    device_.scale_rows(axes, scales);
    double longest = *std::ranges::max_element(scales);
    const auto gram_of = [&](ConstMatrix rows) {
      return gram_by_root(device_, axes, longest, correlations.scales, rows);
    };
    // Along the null directions S_W is zero, or the two ends below say how unsure it is.
    const ConstMatrix known = axes.view().slice_rows(nulls, dim - nulls);
    const auto solve = [&](Matrix columns) {
      const DeviceMatrix whitened = device_.matrix(known.rows, columns.cols);
      device_.gemm(false, false, 1, known, columns, 0, whitened);
      device_.gemm(true, false, 1, known, whitened, 0, columns);
    };
    const auto rank = static_cast<double>(between_.rank);
    const GradedTrace most = graded_trace(device_, a, gram_of);
    take(most, correlations, noise, solve);
    double share = 0;  // what the index has of directions that have none
    if (zeros > 0) {
      const DeviceMatrix along = device_.matrix(dim, kTraceSigns);
      device_.gemm(true, false, 1, most.rows, most.once, 0, along);
      device_.scale_rows(along, correlations.scales);
      const DeviceMatrix whitened = device_.matrix(zeros, kTraceSigns);
      device_.gemm(false, false, 1, axes.view().slice_rows(0, zeros), along, 0, whitened);
      share = square_of(device_, whitened) / kTraceSigns;
      if (share > kSmallShare * rank) unresolved_ = 2 * share;
      value_ = std::max(0.0, value_ - share);
    }
    if (zeros == nulls) return;

    std::ranges::fill(scales, 1.0);
    const double factor = std::sqrt(high / low);
    std::fill(scales.begin() + static_cast<ptrdiff_t>(zeros),
              scales.begin() + static_cast<ptrdiff_t>(nulls), factor);
    device_.scale_rows(axes, scales);
    longest = std::max(longest, 1 / std::sqrt(low));
    const GradedTrace fewest = graded_trace(device_, most.rows, gram_of);
    const double width = most.value - fewest.value;
    if (width <= std::max(kMarked * fewest.value, kRounding * rank)) {
      take(fewest, correlations, noise, solve);
      value_ = std::max(0.0, value_ - share);
    }
    if (width > kRounding * rank) unresolved_ += width;
  }

  // Eigenvalues of C that rounding of products may make.
  double product_rounding() const {
    double trace = 0;
    for (const double within : statistics_.within) trace += within;
    return kMargin / 2 * statistics_.scatter_resolution / trace;
  }

  // `solve` multiplies columns by C^-1.
  template <class Solve>
  void take(const GradedTrace& trace, const WithinCorrelations& correlations,
            std::span<const double> noise, const Solve& solve) {
    value_ = trace.value;
    const DeviceMatrix along = device_.matrix(trace.rows.cols, kTraceSigns);
    const auto solved = [&](ConstMatrix coefficients) {  // C^-1 R^-1 A^T X
      device_.gemm(true, false, 1, trace.rows, coefficients, 0, along);
      device_.scale_rows(along, correlations.scales);
      solve(along);
    };
    solved(trace.once);  // S_T^-1 A^T is S_W^-1 A^T (I + G)^-1
    device_.scale_rows(along, correlations.scales);
    error_ = samples_ * square_of(device_, along) / kTraceSigns;
    // Of noise E in A the trace makes 2 <(I + G)^-2 A S_W^-1, E>.
    solved(trace.twice);
    device_.scale_rows(along, noise);
    arithmetic_ = trace.error + 2 * std::sqrt(square_of(device_, along) / kTraceSigns);
  }

  // The largest share of what may be rounding that is told from nothing.
  static constexpr double kResolved = 0x1p-10;

  Device& device_;
  Analysis& analysis_;
  const Statistics& statistics_;
  ConstMatrix means_;
  const std::vector<double>& roots_;
  const BetweenSpectrum& between_;
  double samples_;
  double value_ = 0;
  double error_ = 0;
  double unresolved_ = 0;
  double arithmetic_ = 0;
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
    if (index.value() < -kRounding || index.value() > 1 + kRounding ||
        index.arithmetic() > std::abs(index.value()) + kRounding) {
      out.undefined("nc1.vci",
                    "S_W within the span of the class means is below what its products resolve");
      return;
    }
    out.set("nc1.vci", std::clamp(index.value(), 0.0, 1.0));
    if (index.value() > 0 && index.error() > kMarked * index.value()) {
      out.warn("vci_resolution",
               uncertain(analysis.statistics(), "nc1.vci", std::min(1.0, index.error())));
    }
  } catch (const NumericalError& error) {
    out.undefined("nc1.vci", error.what());
  }
}

}  // namespace ncscope::metrics
