#include "kernels/profiles/profiles.h"

#include <string_view>

#include "kernels/metrics/metrics.h"

namespace ncscope::profiles {
namespace {

struct Convention {
  Weighting weighting;
  void (*numbers)(Numbers&);
  std::string_view source;
};

Convention convention_of(Profile profile) {
  switch (profile) {
    case Profile::kDefault:
      break;
    case Profile::kPapyan:
      return {Weighting::kUniform, papyan,
              "arXiv 2008.08186; neuralcollapse/neuralcollapse, neuralcollapse.ipynb"};
    case Profile::kGeometric:
      return {Weighting::kByCount, geometric,
              "arXiv 2105.02375; tding1/Neural-Collapse, validate_NC.py"};
    case Profile::kLinguistic:
      return {Weighting::kUniform, linguistic,
              "arXiv 2405.17767; rhubarbwu/linguistic-collapse, analyze.py"};
    case Profile::kRw:
      return {Weighting::kUniform, rw, "rhubarbwu/neural-collapse, neural_collapse/measure.py"};
  }
  return {Weighting::kUniform, nullptr, ""};
}

}  // namespace

void profile_numbers(metrics::Analysis& analysis, ReportValues& out) {
  const Convention convention = convention_of(analysis.options().profile);
  if (convention.numbers == nullptr) return;
  if (analysis.options().weighting == convention.weighting) {
    Numbers numbers(analysis, out, out, convention.source);
    return convention.numbers(numbers);
  }
  ReportOptions options = analysis.options();
  options.weighting = convention.weighting;
  options.one_vs_rest_margin = false;
  metrics::Analysis other(analysis.device(), analysis.statistics(), analysis.classifier(),
                          analysis.decisions(), options, analysis.evaluation());
  ReportValues weighted;
  metrics::nc3(other, weighted);
  if (options.profile != Profile::kGeometric) {  // which takes nothing from these
    metrics::nc1_traces(other, weighted);
    metrics::nc1_pinv(other, weighted);
    metrics::nc2_means(other, weighted);
  }
  Numbers numbers(other, weighted, out, convention.source);
  convention.numbers(numbers);
}

}  // namespace ncscope::profiles
