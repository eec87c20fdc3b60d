#include "kernels/report.h"

#include <array>
#include <string_view>
#include <utility>

#include "kernels/errors.h"
#include "kernels/metrics/analysis.h"
#include "kernels/metrics/metrics.h"
#include "kernels/profiles/profiles.h"

namespace ncscope {
namespace {

constexpr std::array<std::pair<Profile, std::string_view>, 5> kProfileNames{{
    {Profile::kDefault, "default"},
    {Profile::kPapyan, "papyan"},
    {Profile::kGeometric, "geometric"},
    {Profile::kLinguistic, "linguistic"},
    {Profile::kRw, "rw"},
}};

std::string shape_text(size_t num_classes, size_t dim) {
  return std::to_string(num_classes) + " classes in " + std::to_string(dim) + " dimensions";
}

void check_report_inputs(const Statistics& statistics, const Classifier* classifier,
                         const DecisionCounts* decisions) {
  statistics.check();
  if (statistics.samples == 0) throw InvalidArgument("compute_report: there are no samples");
  if (classifier != nullptr) {
    classifier->check();
    if (classifier->num_classes != statistics.num_classes || classifier->dim != statistics.dim) {
      throw InvalidArgument("compute_report: expected a classifier of " +
                            shape_text(statistics.num_classes, statistics.dim) + ", got " +
                            shape_text(classifier->num_classes, classifier->dim));
    }
  }
  if (decisions != nullptr && decisions->samples.size() != statistics.num_classes) {
    throw InvalidArgument("compute_report: expected decisions over " +
                          std::to_string(statistics.num_classes) + " classes, got " +
                          std::to_string(decisions->samples.size()));
  }
}

// Of the train state: what is read of it.
void check_means(const Statistics& train) {
  const size_t present = train.present();
  if (present > 0 && train.counts.size() == present && train.within.size() == present &&
      train.means.size() == present * train.dim) {
    return;
  }
  throw InvalidArgument(
      "compute_report: expected means, counts and spreads of " + std::to_string(present) +
      " >= 1 train classes in " + std::to_string(train.dim) + " dimensions, got " +
      std::to_string(train.means.size()) + ", " + std::to_string(train.counts.size()) + " and " +
      std::to_string(train.within.size()) + " values");
}

}  // namespace

Weighting parse_weighting(std::string_view name) {
  if (name == "uniform") return Weighting::kUniform;
  if (name == "by_count") return Weighting::kByCount;
  throw InvalidArgument("weighting: expected uniform or by_count, got " + std::string(name));
}

Spectrum parse_spectrum(std::string_view name) {
  if (name == "auto") return Spectrum::kAuto;
  if (name == "none") return Spectrum::kNone;
  if (name == "leading") return Spectrum::kLeading;
  if (name == "all") return Spectrum::kAll;
  throw InvalidArgument("spectrum: expected auto, none, leading or all, got " + std::string(name));
}

Profile parse_profile(std::string_view name) {
  for (const auto& [profile, known] : kProfileNames) {
    if (name == known) return profile;
  }
  throw InvalidArgument("profile: expected default, papyan, geometric, linguistic or rw, got " +
                        std::string(name));
}

std::string_view profile_name(Profile profile) {
  for (const auto& [known, name] : kProfileNames) {
    if (profile == known) return name;
  }
  return "";
}

ReportValues compute_report(Device& device, const Statistics& statistics,
                            const Classifier* classifier, const DecisionCounts* decisions,
                            const ReportOptions& options, const Evaluation* evaluation) {
  check_report_inputs(statistics, classifier, decisions);
  if (evaluation != nullptr && evaluation->train != nullptr) check_means(*evaluation->train);
  metrics::Analysis analysis(device, statistics, classifier, decisions, options, evaluation);
  ReportValues out;
  metrics::data_summary(analysis, out);
  metrics::nc1_traces(analysis, out);
  metrics::nc1_pinv(analysis, out);
  metrics::nc1_vci(analysis, out);
  metrics::nc1_cdnv(analysis, out);
  metrics::nc2_means(analysis, out);
  metrics::nc2_classifier(analysis, out);
  metrics::nc3(analysis, out);
  metrics::nc4(analysis, out);
  metrics::nc5(analysis, out);
  metrics::test_collapse(analysis, out);
  metrics::spectrum(analysis, out);
  metrics::minority(analysis, out);
  metrics::class_groups(analysis, out);
  metrics::classes(analysis, out);
  profiles::profile_numbers(analysis, out);
  return out;
}

}  // namespace ncscope
