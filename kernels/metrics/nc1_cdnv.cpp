// nc1.cdnv: class-distance normalised variance, the mean over class pairs of
// (v_c + v_c') / (2 ||mu_c - mu_c'||^2) (Galanti et al., arXiv 2112.15121), its largest term, and
// cdnv_fourth with ||.||^4 (Linguistic Collapse, arXiv 2405.17767). Of a sample of the pairs, with
// standard errors, where there are too many.
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

std::optional<std::string> why_no_cdnv(Analysis& analysis) {
  if (analysis.present() < 2) return analysis.no_between();
  if (analysis.no_within()) return analysis.no_within();
  if (const auto& equal = analysis.mean_pairs().sums.equal) {
    return "classes " + std::to_string(analysis.label(equal->first)) + " and " +
           std::to_string(analysis.label(equal->second)) +
           " have equal means, so that their cdnv is infinite";
  }
  return std::nullopt;
}

}  // namespace

void nc1_cdnv(Analysis& analysis, ReportValues& out) {
  if (const auto reason = why_no_cdnv(analysis)) {
    undefined_fields(out, "nc1", {"cdnv", "cdnv_max", "cdnv_worst_pair", "cdnv_fourth"}, *reason);
    return;
  }
  const auto& [sums, sampling] = analysis.mean_pairs();
  const double pairs = static_cast<double>(sums.pairs);
  out.set("nc1.cdnv", sums.cdnv_sum / pairs);
  out.set("nc1.cdnv_fourth", sums.cdnv_fourth_sum / pairs);
  if (sampling) {
    out.set_integer("nc1.sampled_pairs", sampling->pairs);
    out.set("nc1.cdnv_sampling_error", sampling->cdnv_error);
    out.set("nc1.cdnv_fourth_sampling_error", sampling->cdnv_fourth_error);
    undefined_fields(out, "nc1", {"cdnv_max", "cdnv_worst_pair"}, needs_all_pairs(*sampling));
    return;
  }
  out.set("nc1.cdnv_max", sums.cdnv_worst->value);
  out.set_pair("nc1.cdnv_worst_pair", analysis.label(sums.cdnv_worst->first),
               analysis.label(sums.cdnv_worst->second));
}

}  // namespace ncscope::metrics
