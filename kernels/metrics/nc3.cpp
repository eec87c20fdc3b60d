// nc3.*: the classifier aligns with the class means (Papyan, Han, Donoho, arXiv 2008.08186;
// structure_error arXiv 2206.04041; uniform_duality arXiv 2405.17767). All but nc0 over the rows of
// present classes.
#include <algorithm>
#include <cmath>

#include "kernels/metrics/metrics.h"
#include "kernels/metrics/structure_error.h"
#include "kernels/metrics/undefined.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {
namespace {

// ||W/||W||_F - M/||M||_F||_F from the differences themselves: the identity 2 - 2 <W,M>/(|W||M|)
// would leave 1e-8 of rounding where W and M agree. Host: O(Pd).
double dual_distance(Analysis& analysis, double weight_norm, double means_norm) {
  const double weight_scale = 1 / weight_norm, means_scale = 1 / means_norm;
  const ConstMatrix weight = analysis.present_weight();
  const ConstMatrix means(analysis.statistics().means.data(), weight.rows, weight.cols);
  const std::vector<double>& center = analysis.global_mean();
  double total = 0;
  for (size_t c = 0; c < weight.rows; ++c) {
    double sum = 0;
    for (size_t j = 0; j < weight.cols; ++j) {
      const double difference =
          weight.row(c)[j] * weight_scale - (means.row(c)[j] - center[j]) * means_scale;
      sum += difference * difference;
    }
    total += sum;
  }
  return std::sqrt(total);
}

void set_structure_error(Analysis& analysis, ReportValues& out) {
  const std::optional<double> error =
      structure_error(analysis.device(), analysis.duality().weight, analysis.centered_means(),
                      analysis.duality().dots);
  if (error) {
    out.set("nc3.structure_error", *error);
  } else {
    out.undefined("nc3.structure_error", "W M^T is zero");
  }
}

void set_cosines(Analysis& analysis, ReportValues& out) {
  std::vector<double> cosines;
  for (size_t c = 0; c < analysis.present(); ++c) {
    const std::optional<double> cosine = analysis.duality().cosines[c];
    if (!cosine) {
      const std::string label = std::to_string(analysis.label(c));
      undefined_fields(out, "nc3", {"cosine_mean", "cosine_std", "cosine_min"},
                       "the centred mean or the classifier row of class " + label +
                           " is zero, or its square is, and has no direction");
      return;
    }
    cosines.push_back(*cosine);
  }
  const Spread spread = spread_of(cosines);
  out.set("nc3.cosine_mean", spread.mean);
  out.set("nc3.cosine_std", std::sqrt(spread.variance));
  out.set("nc3.cosine_min", *std::ranges::min_element(cosines));
}

// ||W mu_G + b||_2.
void set_bias_collapse(Analysis& analysis, ReportValues& out) {
  Device& device = analysis.device();
  const ConstMatrix weight = analysis.duality().weight;
  const DeviceMatrix center = device.upload({analysis.global_mean().data(), analysis.dim(), 1});
  const DeviceMatrix scores = device.matrix(weight.rows, 1);
  device.gemm(false, false, 1, weight, center, 0, scores);
  std::vector<double> host(weight.rows);
  device.download(scores, host.data());
  double sum = 0;
  for (size_t c = 0; c < host.size(); ++c) {
    const std::vector<double>& bias = analysis.classifier()->bias;
    const double score = host[c] + (bias.empty() ? 0 : bias[analysis.label(c)]);
    sum += score * score;
  }
  out.set("nc3.bias_collapse", std::sqrt(sum));
}

}  // namespace

void nc3(Analysis& analysis, ReportValues& out) {
  if (analysis.classifier() == nullptr) {
    out.undefined("nc3", "no classifier was given");
    return;
  }
  // ||W^T 1||_2 / K.
  out.set("nc3.nc0", norm_of(analysis.weight_mean()));
  set_bias_collapse(analysis, out);
  if (const auto& reason = analysis.no_between()) {
    undefined_fields(out, "nc3",
                     {"distance", "structure_error", "cosine_mean", "cosine_std", "cosine_min",
                      "uniform_duality"},
                     *reason);
    return;
  }
  out.set("nc3.uniform_duality", spread_of(analysis.duality().dots).variance);
  set_cosines(analysis, out);
  const double weight_norm = std::sqrt(sum_of(analysis.duality().squared_weight_norms));
  if (weight_norm == 0) {
    undefined_fields(out, "nc3", {"distance", "structure_error"},
                     "the classifier's rows of present classes are zero, or their squares are");
    return;
  }
  const double means_norm = std::sqrt(sum_of(analysis.squared_mean_norms()));
  out.set("nc3.distance", dual_distance(analysis, weight_norm, means_norm));
  set_structure_error(analysis, out);
}

}  // namespace ncscope::metrics
