// nc4.*: the classifier decides by the nearest class centre (Papyan, Han, Donoho, arXiv
// 2008.08186). By class in classes[]. Whose centres these were, and where the classifier's
// decisions came from, is said by whoever counted.
#include <numeric>

#include "kernels/metrics/metrics.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {

void nc4(Analysis& analysis, ReportValues& out) {
  const DecisionCounts* decisions = analysis.decisions();
  if (decisions == nullptr || decisions->total() == 0) {
    out.undefined("nc4", "no sample was looked at a second time, against the class means");
    return;
  }
  const double total = static_cast<double>(decisions->total());
  const auto share = [&](const std::vector<uint64_t>& counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), uint64_t{0})) / total;
  };
  const bool decided = decisions->source != DecisionCounts::Source::kNone;
  if (!decided) {
    undefined_fields(out, "nc4", {"agreement", "classifier_accuracy"},
                     "neither a classifier nor predictions were given");
  } else {
    out.set("nc4.classifier_accuracy", share(decisions->classifier_correct));
  }
  if (decisions->centers < 2) {
    const std::string reason = "there are fewer than two class centres";
    out.undefined("nc4.ncc_accuracy", reason);
    if (decided) out.undefined("nc4.agreement", reason);
    return;
  }
  out.set("nc4.ncc_accuracy", share(decisions->ncc_correct));
  if (decided) out.set("nc4.agreement", share(decisions->agreement));
}

}  // namespace ncscope::metrics
