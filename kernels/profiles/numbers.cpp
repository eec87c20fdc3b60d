#include "kernels/profiles/numbers.h"

#include <algorithm>
#include <numeric>

#include "kernels/metrics/vector_stats.h"

namespace ncscope::profiles {

std::optional<double> Numbers::metric(std::string_view path) const {
  if (const auto value = weighted_.number(path)) return value;
  return weighted_.reason(path) ? std::nullopt : report_.number(path);
}

std::string Numbers::reason(std::string_view path) const {
  auto why = weighted_.reason(path);
  if (!why) why = report_.reason(path);
  return why.value_or("it does not belong to this report");
}

void Numbers::set(std::string_view name, std::string_view formula, double value,
                  std::optional<double> standard_error) {
  report_.add_profile_number(
      {std::string(name), value, standard_error, std::string(formula), std::string(source_)});
}

void Numbers::undefined(std::string_view name, std::string_view formula,
                        const std::string& reason) {
  report_.add_profile_number(
      {std::string(name), {}, {}, std::string(formula), std::string(source_)});
  report_.undefined("profile." + std::string(name), reason);
}

void Numbers::take(std::string_view name, std::string_view formula, std::string_view path,
                   double scale, std::string_view error_path) {
  const std::optional<double> value = metric(path);
  if (!value) return undefined(name, formula, reason(path));
  std::optional<double> error;
  if (!error_path.empty()) error = metric(error_path);
  if (error) *error *= scale;
  set(name, formula, scale * *value, error);
}

void Numbers::take_moments(const std::string& name, const std::string& formula,
                           std::span<const double> values,
                           const std::optional<std::string>& reason) {
  const std::string mean_of = "mean over c of " + formula;
  const std::string variance_of = "sample variance over c of " + formula;
  if (reason) {
    undefined(name + "_mean", mean_of, *reason);
    undefined(name + "_var", variance_of, *reason);
    return;
  }
  set(name + "_mean", mean_of, metrics::spread_of(values).mean);
  set(name + "_var", variance_of, sample_variance(values));
}

double sample_variance(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  return metrics::spread_of(values).variance * (n / (n - 1));
}

UnbiasedAgreement unbiased_agreement(const Numbers& numbers, const metrics::Analysis& analysis) {
  UnbiasedAgreement out;
  if (!numbers.metric("nc4.agreement")) {
    out.reason = numbers.reason("nc4.agreement");
    return out;
  }
  const DecisionCounts& decisions = *analysis.decisions();
  if (decisions.source != DecisionCounts::Source::kPredictions) {
    if (analysis.classifier() == nullptr) {
      out.reason = "the tool decides without b, and whether these decisions were is not known";
      return out;
    }
    const std::vector<double>& bias = analysis.classifier()->bias;
    if (!std::ranges::all_of(bias, [&](double b) { return b == bias[0]; })) {
      out.reason = "the tool decides without b, and these decisions were counted with it";
      return out;
    }
  }
  out.agreeing =
      std::accumulate(decisions.agreement.begin(), decisions.agreement.end(), uint64_t{0});
  out.samples = decisions.total();
  return out;
}

std::optional<std::string> why_no_duality(const metrics::Analysis& analysis) {
  if (analysis.classifier() == nullptr) return "no classifier was given";
  return analysis.no_between();
}

}  // namespace ncscope::profiles
