// nc2.classifier.*: the rows of W minus their mean approach a simplex ETF (arXiv 2008.08186,
// 2206.04041). Of W alone, so rows of absent classes count.
#include <cmath>

#include "kernels/metrics/etf.h"
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/one_vs_rest_margin.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {
void nc2_classifier(Analysis& analysis, ReportValues& out) {
  const Classifier* classifier = analysis.classifier();
  if (classifier == nullptr) {
    out.undefined("nc2.classifier", "no classifier was given");
    return;
  }
  const size_t count = classifier->num_classes;
  if (count < 2) {
    out.undefined("nc2.classifier", "the classifier has fewer than two rows");
    return;
  }
  const double apart = largest_deviation({classifier->weight.data(), count, classifier->dim},
                                         analysis.weight_mean());
  if (apart > 0 && apart < kSmallestDeviation) {
    out.undefined("nc2.classifier",
                  "the rows of the classifier differ by less than 2^-220, whose powers underflow");
    return;
  }
  Device& device = analysis.device();
  const DeviceMatrix rows = device.upload({classifier->weight.data(), count, classifier->dim});
  std::vector<double> raw_norms = device.row_dots(rows, rows);
  for (double& norm : raw_norms) norm = std::sqrt(norm);
  device.subtract_row(rows, analysis.weight_mean());
  const std::vector<double> squared_norms = device.row_dots(rows, rows);
  const double mean_norm = norm_of(analysis.weight_mean());

  EtfVectors vectors;
  vectors.group = "nc2.classifier";
  vectors.vectors = "centred classifier row";
  vectors.count = count;
  vectors.dim = classifier->dim;
  vectors.squared_norms = squared_norms;
  vectors.raw_norms = raw_norms;
  vectors.label = [](size_t row) { return static_cast<uint32_t>(row); };
  size_t zeros = 0;
  for (size_t c = 0; c < count; ++c) {
    const double resolution = kVectorRounding * (raw_norms[c] + mean_norm);
    if (std::sqrt(squared_norms[c]) > resolution) continue;
    if (++zeros == 1) vectors.zero = static_cast<uint32_t>(c);
  }
  if (zeros == count) {
    const std::string reason = "all rows of the classifier are equal";
    etf_metrics_undefined(vectors, reason, out);
    if (analysis.one_vs_rest_margin()) one_vs_rest_margin_undefined(vectors, reason, out);
    return;
  }
  vectors.etf_inner = etf_inner(device, rows, squared_norms);
  PairInput input;
  input.rows = rows;
  input.squared_norms = squared_norms;
  input.etf_scale = vectors.etf_inner;
  const DeviceMatrix products = small_products(device, rows);
  input.products = products;
  const CenteredRows host = {{classifier->weight.data(), count, classifier->dim},
                             analysis.weight_mean()};
  etf_metrics(vectors, pair_metrics(device, host, input, analysis.exact_pairs()), out);
  if (analysis.one_vs_rest_margin()) one_vs_rest_margin(device, vectors, host, input, out);
}

}  // namespace ncscope::metrics
