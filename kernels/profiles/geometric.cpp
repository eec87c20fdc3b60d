// geometric: Zhu et al., arXiv 2105.02375. mu_G is the mean of all samples, and S_B = M^T M / P
// about it.
#include <cmath>

#include "kernels/errors.h"
#include "kernels/metrics/between_spectrum.h"
#include "kernels/metrics/structure_error.h"
#include "kernels/profiles/profiles.h"

namespace ncscope::profiles {
namespace {

constexpr std::string_view kCollapse = "tr(S_W S_B^+) / P, S_B = M^T M / P, mu_G by count";
constexpr std::string_view kEtf = "|| WW^T/||WW^T||_F - E ||_F, W as it is";

// tr(S_W S_B^+) / P, or why there is none.
std::optional<double> collapse(metrics::Analysis& analysis, std::string& reason) {
  for (const auto& why : {analysis.no_between(), analysis.no_within()}) {
    if (!why) continue;
    reason = *why;
    return std::nullopt;
  }
  const Statistics& s = analysis.statistics();
  const auto present = static_cast<double>(s.present());
  // sum_c n_c M_c = 0.
  std::vector<double> null(s.counts.begin(), s.counts.end());
  double squares = 0;
  for (const double count : null) squares += count * count;
  for (double& count : null) count /= std::sqrt(squares);
  const std::vector<double> weights(s.present(), 1 / present);
  metrics::BetweenSpectrum between;
  try {
    between = metrics::between_spectrum(
        analysis.device(), analysis.centered_means(), weights, {s.scatter.data(), s.dim, s.dim},
        static_cast<double>(s.samples), analysis.mean_noise(), {}, null);
  } catch (const NumericalError& error) {
    reason = error.what();
    return std::nullopt;
  }
  if (between.rank == 0) {
    reason = "the class means differ by no more than their rounding";
    return std::nullopt;
  }
  if (between.pinv_trace < 0) {
    reason = "S_W within the span of the class means is below what its products resolve";
    return std::nullopt;
  }
  return between.pinv_trace / present;
}

void set_collapse(Numbers& numbers) {
  std::string reason;
  if (const auto value = collapse(numbers.analysis(), reason)) {
    numbers.set("collapse_metric", kCollapse, *value);
  } else {
    numbers.undefined("collapse_metric", kCollapse, reason);
  }
}

void set_etf(Numbers& numbers) {
  const Classifier* classifier = numbers.analysis().classifier();
  if (classifier == nullptr) {
    return numbers.undefined("ETF_metric", kEtf, "no classifier was given");
  }
  if (classifier->num_classes < 2) {
    return numbers.undefined("ETF_metric", kEtf, "the classifier has fewer than two rows");
  }
  Device& device = numbers.analysis().device();
  const DeviceMatrix rows =
      device.upload({classifier->weight.data(), classifier->num_classes, classifier->dim});
  const auto error = metrics::structure_error(device, rows, rows, device.row_dots(rows, rows));
  if (error) {
    numbers.set("ETF_metric", kEtf, *error);
  } else {
    numbers.undefined("ETF_metric", kEtf, "the classifier is zero");
  }
}

}  // namespace

void geometric(Numbers& numbers) {
  set_collapse(numbers);
  set_etf(numbers);
  numbers.take("ETF_metric_centered", "|| WW^T/||WW^T||_F - E ||_F, W minus its mean row",
               "nc2.classifier.etf_error");
  numbers.take("WH_relation_metric", "|| WM^T/||WM^T||_F - E ||_F, mu_G by count",
               "nc3.structure_error");
  numbers.take("Wh_b_relation_metric", "||W mu_G + b||, mu_G by count", "nc3.bias_collapse");
}

}  // namespace ncscope::profiles
