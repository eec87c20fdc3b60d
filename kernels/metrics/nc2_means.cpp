// nc2.means.*: the centred class means approach a simplex ETF (arXiv 2008.08186, 2206.04041).
#include "kernels/metrics/etf.h"
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/one_vs_rest_margin.h"

namespace ncscope::metrics {

void nc2_means(Analysis& analysis, ReportValues& out) {
  if (analysis.present() < 2) {
    out.undefined("nc2.means", *analysis.no_between());
    return;
  }
  EtfVectors vectors;
  vectors.group = "nc2.means";
  vectors.vectors = "centred mean";
  vectors.count = analysis.present();
  vectors.dim = analysis.dim();
  vectors.squared_norms = analysis.squared_mean_norms();
  vectors.raw_norms = analysis.raw_mean_norms();
  vectors.label = [&](size_t row) { return analysis.label(row); };
  vectors.etf_inner = analysis.mean_etf_inner();
  for (size_t c = 0; c < vectors.count && !vectors.zero; ++c) {
    if (analysis.zero_means()[c]) vectors.zero = analysis.label(c);
  }
  if (const auto& reason = analysis.no_between()) {
    etf_metrics_undefined(vectors, *reason, out);
    if (analysis.one_vs_rest_margin()) one_vs_rest_margin_undefined(vectors, *reason, out);
    return;
  }
  etf_metrics(vectors, analysis.mean_pairs(), out);
  if (analysis.one_vs_rest_margin()) {
    one_vs_rest_margin(analysis.device(), vectors, analysis.host_means(),
                       analysis.mean_pair_input(), out);
  }
}

}  // namespace ncscope::metrics
