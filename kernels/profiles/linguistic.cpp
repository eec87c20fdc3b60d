// linguistic: Wu and Papyan, arXiv 2405.17767, by the columns of its tables of results. mu_G is the
// mean of the class means; variances over classes have P - 1 below, those over pairs their number.
#include <algorithm>
#include <cmath>

#include "kernels/metrics/vector_stats.h"
#include "kernels/profiles/profiles.h"

namespace ncscope::profiles {
namespace {

void set_norms(Numbers& numbers) {
  metrics::Analysis& analysis = numbers.analysis();
  std::optional<std::string> reason = analysis.no_between();
  std::vector<double> norms;
  for (const double square : analysis.squared_mean_norms()) norms.push_back(std::sqrt(square));
  numbers.take_moments("norms", "||M_c||", norms, reason);
  for (size_t c = 0; c < norms.size() && !reason; ++c) {
    if (!analysis.zero_means()[c]) continue;
    reason = "the centred mean of class " + std::to_string(analysis.label(c)) + " is zero";
  }
  for (double& norm : norms) norm = std::log(norm);
  numbers.take_moments("norms_log", "log ||M_c||", norms, reason);
}

// Of the products of M's rows, which sum to 0: their mean is -||M||_F^2 / (P (P-1)), which is what
// alpha E has off the diagonal, and on it the mean of ||M_c||^2, with alpha = <MM^T, E>. Without
// the diagonal's share, ||MM^T - alpha E||_F^2 is the sum of the squares that the variance is of.
// At least 1/P of it is left.
void set_interference(Numbers& numbers) {
  constexpr std::string_view kMean = "mean over pairs of <M_c, M_c'>";
  constexpr std::string_view kVariance = "variance over pairs of <M_c, M_c'>";
  metrics::Analysis& analysis = numbers.analysis();
  if (const auto& reason = analysis.no_between()) {
    numbers.undefined("interfere_mean", kMean, *reason);
    numbers.undefined("interfere_var", kVariance, *reason);
    return;
  }
  const std::vector<double>& squares = analysis.squared_mean_norms();
  const auto present = static_cast<double>(squares.size());
  const double ordered_pairs = present * (present - 1);
  const double residual = analysis.mean_pairs().sums.gram_residual;
  const double diagonal = metrics::spread_of(squares).variance * present;
  numbers.set("interfere_mean", kMean, -metrics::sum_of(squares) / ordered_pairs);
  numbers.set("interfere_var", kVariance, std::max(0.0, residual - diagonal) / ordered_pairs);
}

// || w_c/||w_c|| - M_c/||M_c|| || from the rows, which are not zero: sqrt(2 - 2 cos) would cancel.
std::vector<double> unit_distances(metrics::Analysis& analysis) {
  const ConstMatrix weight = analysis.present_weight();
  const ConstMatrix means(analysis.statistics().means.data(), weight.rows, weight.cols);
  const std::vector<double>& center = analysis.global_mean();
  std::vector<double> out;
  for (size_t c = 0; c < weight.rows; ++c) {
    const double weight_norm = std::sqrt(analysis.duality().squared_weight_norms[c]);
    const double mean_norm = std::sqrt(analysis.squared_mean_norms()[c]);
    double sum = 0;
    for (size_t j = 0; j < weight.cols; ++j) {
      const double difference =
          weight.row(c)[j] / weight_norm - (means.row(c)[j] - center[j]) / mean_norm;
      sum += difference * difference;
    }
    out.push_back(std::sqrt(sum));
  }
  return out;
}

void set_similarities(Numbers& numbers) {
  metrics::Analysis& analysis = numbers.analysis();
  std::optional<std::string> reason = why_no_duality(analysis);
  const std::span<const double> none;
  numbers.take_moments("simdot", "<w_c, M_c>", reason ? none : analysis.duality().dots, reason);
  std::vector<double> cosines;
  std::vector<double> distances;
  if (!reason && !numbers.metric("nc3.cosine_mean")) reason = numbers.reason("nc3.cosine_mean");
  if (!reason) {
    for (const auto& cosine : analysis.duality().cosines) cosines.push_back(*cosine);
    distances = unit_distances(analysis);
  }
  numbers.take_moments("simcos", "cos(w_c, M_c)", cosines, reason);
  numbers.take_moments("dists", "|| w_c/||w_c|| - M_c/||M_c|| ||", distances, reason);
}

void set_hits(Numbers& numbers) {
  constexpr std::string_view kHits = "samples with argmax(Wh) = argmin_c ||h - mu_c||";
  constexpr std::string_view kMisses = "other samples";
  constexpr std::string_view kAgreement = "hits / (hits + misses)";
  const UnbiasedAgreement found = unbiased_agreement(numbers, numbers.analysis());
  if (!found.reason.empty()) {
    numbers.undefined("hits", kHits, found.reason);
    numbers.undefined("misses", kMisses, found.reason);
    numbers.undefined("agreement", kAgreement, found.reason);
    return;
  }
  const auto hits = static_cast<double>(found.agreeing);
  const auto samples = static_cast<double>(found.samples);
  numbers.set("hits", kHits, hits);
  numbers.set("misses", kMisses, samples - hits);
  numbers.set("agreement", kAgreement, hits / samples);
}

}  // namespace

void linguistic(Numbers& numbers) {
  numbers.take("cdnv", "mean over pairs of (v_c + v_c') / (2 ||mu_c - mu_c'||^4)",
               "nc1.cdnv_fourth", 1, "nc1.cdnv_fourth_sampling_error");
  set_norms(numbers);
  numbers.take("etf_error", "|| MM^T/||MM^T||_F - E ||_F", "nc2.means.etf_error");
  set_interference(numbers);
  numbers.take("log_kern_mean", "mean over pairs of log(1/||u - u'||), u = M_c/||M_c||",
               "nc2.means.uniformity_log_mean", 1, "nc2.means.uniformity_log_standard_error");
  numbers.take("log_kern_var", "variance over pairs of log(1/||u - u'||)",
               "nc2.means.uniformity_log_var");
  numbers.take("dual_error", "|| WM^T/||WM^T||_F - E ||_F", "nc3.structure_error");
  set_similarities(numbers);
  set_hits(numbers);
}

}  // namespace ncscope::profiles
