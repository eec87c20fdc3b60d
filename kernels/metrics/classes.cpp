// classes[]: one row per present class. A field that has no value for a class is absent there.
#include <cmath>

#include "kernels/metrics/metrics.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

using Column = std::vector<std::optional<double>>;

void set_nearest(Analysis& analysis, ReportValues& out) {
  const PairMetrics& metrics = analysis.mean_pairs();
  if (metrics.sampling) {
    undefined_fields(out, "classes", {"nearest_class", "nearest_distance"},
                     needs_all_pairs(*metrics.sampling));
    return;
  }
  const PairSums& pairs = metrics.sums;
  std::vector<double> nearest;
  for (const size_t row : pairs.nearest) nearest.push_back(analysis.label(row));
  out.set_column("nearest_class", std::move(nearest));
  out.set_column("nearest_distance", pairs.nearest_distance);
}

void set_classifier_columns(Analysis& analysis, ReportValues& out) {
  std::vector<double> norms = analysis.duality().squared_weight_norms;
  for (double& norm : norms) norm = std::sqrt(norm);
  out.set_column("weight_norm", std::move(norms));
  out.set_column("cosine", analysis.duality().cosines);
}

void set_decision_columns(Analysis& analysis, const DecisionCounts& decisions, ReportValues& out) {
  const auto shares = [&](const std::vector<uint64_t>& counts) {
    Column column(analysis.present());
    for (size_t c = 0; c < analysis.present(); ++c) {
      const uint32_t label = analysis.label(c);
      if (decisions.samples[label] == 0) continue;
      column[c] =
          static_cast<double>(counts[label]) / static_cast<double>(decisions.samples[label]);
    }
    return column;
  };
  const bool decided = decisions.source != DecisionCounts::Source::kNone;
  const bool contested = decisions.centers >= 2;
  if (decided) out.set_column("classifier_accuracy", shares(decisions.classifier_correct));
  if (contested) out.set_column("ncc_accuracy", shares(decisions.ncc_correct));
  if (decided && contested) out.set_column("agreement", shares(decisions.agreement));
}

}  // namespace

void classes(Analysis& analysis, ReportValues& out) {
  const Statistics& s = analysis.statistics();
  out.set_column("label", std::vector<double>(s.classes.begin(), s.classes.end()));
  out.set_column("count", std::vector<double>(s.counts.begin(), s.counts.end()));
  out.set_column("within_variance", analysis.within_variances());
  if (analysis.present() >= 2) {
    std::vector<double> norms = analysis.squared_mean_norms();
    for (double& norm : norms) norm = std::sqrt(norm);
    out.set_column("mean_norm", std::move(norms));
    set_nearest(analysis, out);
  }
  if (analysis.classifier() != nullptr) set_classifier_columns(analysis, out);
  if (const DecisionCounts* decisions = analysis.decisions()) {
    set_decision_columns(analysis, *decisions, out);
  }
}

}  // namespace ncscope::metrics
