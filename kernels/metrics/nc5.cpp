// nc5.orthogonality: mean over the classes of train of |cos(mu_c, mu_G(ood))|, with the mean of all
// out-of-distribution samples, whatever their labels (NECO: Ben Ammar et al., arXiv 2310.06823).
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/orthogonality.h"

namespace ncscope::metrics {

void nc5(Analysis& analysis, ReportValues& out) {
  const Evaluation* evaluation = analysis.evaluation();
  if (evaluation == nullptr || !evaluation->out_of_distribution) return;
  const Orthogonality found = orthogonality(analysis, Weighting::kByCount);
  if (found.value) {
    out.set("nc5.orthogonality", *found.value);
  } else {
    out.undefined("nc5.orthogonality", found.reason);
  }
}

}  // namespace ncscope::metrics
