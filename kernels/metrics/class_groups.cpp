// class_groups.*: the most frequent, the middle and the rarest third of the present classes, of
// which long-tailed data show different collapse. Equally frequent classes are ranked by label, the
// lower ones as the rarer; what P / 3 leaves over is in the middle.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

#include "kernels/metrics/metrics.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

// Samples of each row's class where the classes were trained on, else here.
std::vector<uint64_t> training_counts(Analysis& analysis) {
  const Statistics& s = analysis.statistics();
  const Evaluation* evaluation = analysis.evaluation();
  if (evaluation == nullptr || evaluation->train == nullptr) return s.counts;
  const Statistics& train = *evaluation->train;
  std::vector<uint64_t> counts;
  for (const uint32_t label : s.classes) {
    const auto at = std::ranges::lower_bound(train.classes, label);
    const bool trained = at != train.classes.end() && *at == label;
    counts.push_back(trained ? train.counts[static_cast<size_t>(at - train.classes.begin())] : 0);
  }
  return counts;
}

double mean_over(std::span<const size_t> rows, const auto& value) {
  double sum = 0;
  for (const size_t row : rows) sum += value(row);
  return sum / static_cast<double>(rows.size());
}

void set_shares(Analysis& analysis, const std::string& group, std::span<const size_t> rows,
                const DecisionCounts& decisions, ReportValues& out) {
  const auto sum = [&](const std::vector<uint64_t>& counts) {
    uint64_t total = 0;
    for (const size_t row : rows) total += counts[analysis.label(row)];
    return static_cast<double>(total);
  };
  const double samples = sum(decisions.samples);
  if (samples == 0) return;
  const bool decided = decisions.source != DecisionCounts::Source::kNone;
  const bool contested = decisions.centers >= 2;
  if (decided) {
    out.set(group + "classifier_accuracy", sum(decisions.classifier_correct) / samples);
  }
  if (contested) out.set(group + "ncc_accuracy", sum(decisions.ncc_correct) / samples);
  if (decided && contested) out.set(group + "agreement", sum(decisions.agreement) / samples);
}

void set_group(Analysis& analysis, const std::string& group, std::span<const size_t> rows,
               const std::vector<uint64_t>& counts, ReportValues& out) {
  const Statistics& s = analysis.statistics();
  out.set_integer(group + "classes", rows.size());
  out.set_integer(group + "least_count", counts[rows.front()]);
  out.set_integer(group + "most_count", counts[rows.back()]);
  uint64_t samples = 0;
  for (const size_t row : rows) samples += s.counts[row];
  out.set_integer(group + "samples", samples);
  if (!analysis.no_within()) {
    const double variance =
        mean_over(rows, [&](size_t row) { return analysis.within_variances()[row]; });
    out.set(group + "within_variance", variance);
    if (!analysis.no_between()) out.set(group + "quotient", variance / analysis.between_trace());
  }
  out.set(group + "mean_norm", mean_over(rows, [&](size_t row) {
            return std::sqrt(analysis.squared_mean_norms()[row]);
          }));
  if (analysis.classifier() != nullptr) {
    const Duality& duality = analysis.duality();
    out.set(group + "weight_norm", mean_over(rows, [&](size_t row) {
              return std::sqrt(duality.squared_weight_norms[row]);
            }));
    const auto known = [&](size_t row) { return duality.cosines[row].has_value(); };
    if (std::ranges::all_of(rows, known)) {
      out.set(group + "cosine", mean_over(rows, [&](size_t row) { return *duality.cosines[row]; }));
    }
  }
  if (const DecisionCounts* decisions = analysis.decisions()) {
    set_shares(analysis, group, rows, *decisions, out);
  }
}

}  // namespace

void class_groups(Analysis& analysis, ReportValues& out) {
  if (const Evaluation* evaluation = analysis.evaluation()) {
    if (evaluation->out_of_distribution) return;
  }
  const size_t present = analysis.present();
  const std::vector<uint64_t> counts = training_counts(analysis);
  if (present < 3) {
    out.undefined("class_groups", "fewer than three classes are present");
    return;
  }
  if (const auto [least, most] = std::ranges::minmax(counts); least == most) {
    out.undefined("class_groups", "all present classes have the same number of samples");
    return;
  }
  std::vector<size_t> rows(present);
  std::iota(rows.begin(), rows.end(), size_t{0});
  std::ranges::stable_sort(rows, {}, [&](size_t row) { return counts[row]; });
  const size_t third = present / 3;
  const std::span<const size_t> all(rows);
  set_group(analysis, "class_groups.head.", all.last(third), counts, out);
  set_group(analysis, "class_groups.mid.", all.subspan(third, present - 2 * third), counts, out);
  set_group(analysis, "class_groups.tail.", all.first(third), counts, out);
}

}  // namespace ncscope::metrics
