// test_collapse.*: whether samples that were not trained on collapse (Hui, Belkin, Nakkiran, arXiv
// 2202.08384): weakly, onto means of their own, and strongly, onto the class means of train. Both
// as nc1.quotient: spread of the samples over tr S_B of the means.
#include "kernels/metrics/metrics.h"

namespace ncscope::metrics {
namespace {

constexpr const char* kWeak = "test_collapse.weak";
constexpr const char* kStrong = "test_collapse.strong";

std::string shape_of(const Statistics& s) {
  return "K = " + std::to_string(s.num_classes) + ", d = " + std::to_string(s.dim);
}

void weak(Analysis& analysis, ReportValues& out) {
  if (analysis.no_between()) return out.undefined(kWeak, *analysis.no_between());
  if (analysis.no_within()) return out.undefined(kWeak, *analysis.no_within());
  out.set(kWeak, analysis.within_trace() / analysis.between_trace());
}

// The classes that both have: means of train, as often as this split has them.
struct Shared {
  Statistics means;
  double squares = 0;             // sum over their samples of ||h - mu_y(train)||^2
  std::vector<uint32_t> missing;  // classes without a train mean
};

Shared shared_classes(const Statistics& split, const Statistics& train) {
  const size_t dim = split.dim;
  Shared out;
  out.means.num_classes = split.num_classes;
  out.means.dim = dim;
  size_t t = 0;
  for (size_t c = 0; c < split.present(); ++c) {
    while (t < train.present() && train.classes[t] < split.classes[c]) ++t;
    if (t == train.present() || train.classes[t] != split.classes[c]) {
      out.missing.push_back(split.classes[c]);
      continue;
    }
    const double* own = split.means.data() + c * dim;
    const double* mean = train.means.data() + t * dim;
    double squares = 0;
    for (size_t j = 0; j < dim; ++j) squares += (own[j] - mean[j]) * (own[j] - mean[j]);
    const auto count = static_cast<double>(split.counts[c]);
    out.squares += split.within[c] + count * squares;
    out.means.classes.push_back(split.classes[c]);
    out.means.counts.push_back(split.counts[c]);
    out.means.samples += split.counts[c];
    out.means.means.insert(out.means.means.end(), mean, mean + dim);
    // Only says how well the mean is known.
    out.means.within.push_back(train.within[t] / static_cast<double>(train.counts[t]) * count);
  }
  return out;
}

void warn_missing(const std::vector<uint32_t>& missing, ReportValues& out) {
  if (missing.empty()) return;
  constexpr size_t kListed = 10;
  std::string text = std::to_string(missing.size()) +
                     " classes have no train mean and are left out of test_collapse.strong:";
  for (size_t i = 0; i < missing.size() && i < kListed; ++i) {
    text += " " + std::to_string(missing[i]);
  }
  out.warn("classes_without_train_mean", text + (missing.size() > kListed ? " ..." : ""));
}

void strong(Analysis& analysis, const Evaluation& evaluation, ReportValues& out) {
  if (evaluation.train == nullptr) return out.undefined(kStrong, evaluation.no_train);
  const Statistics& split = analysis.statistics();
  const Statistics& train = *evaluation.train;
  if (train.num_classes != split.num_classes || train.dim != split.dim) {
    return out.undefined(
        kStrong, "the train split has " + shape_of(train) + ", this one " + shape_of(split));
  }
  const Shared shared = shared_classes(split, train);
  if (shared.means.present() == 0) {
    return out.undefined(kStrong, "no class of this split has a train mean");
  }
  warn_missing(shared.missing, out);
  const Analysis means(analysis.device(), shared.means, nullptr, nullptr, analysis.options());
  if (means.no_between()) {
    return out.undefined(kStrong, "of the train means: " + *means.no_between());
  }
  out.set(kStrong,
          shared.squares / static_cast<double>(shared.means.samples) / means.between_trace());
}

}  // namespace

void test_collapse(Analysis& analysis, ReportValues& out) {
  if (analysis.evaluation() == nullptr) return;
  weak(analysis, out);
  strong(analysis, *analysis.evaluation(), out);
}

}  // namespace ncscope::metrics
