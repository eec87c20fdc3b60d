// What a profile reads, and where it writes its numbers.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kernels/metrics/analysis.h"
#include "kernels/report_values.h"

namespace ncscope::profiles {

class Numbers {
 public:
  // `analysis` is of the profile's weighting; `weighted` holds the metrics that depend on it, and
  // may be `report` itself, which holds all others and is added to.
  Numbers(metrics::Analysis& analysis, const ReportValues& weighted, ReportValues& report,
          std::string_view source)
      : analysis_(analysis), weighted_(weighted), report_(report), source_(source) {}

  metrics::Analysis& analysis() { return analysis_; }
  // The value of a metric by path, and why it has none.
  std::optional<double> metric(std::string_view path) const;
  std::string reason(std::string_view path) const;

  void set(std::string_view name, std::string_view formula, double value,
           std::optional<double> standard_error = {});
  void undefined(std::string_view name, std::string_view formula, const std::string& reason);

  // `scale` times the metric of that path, or undefined for its reason; with the standard error at
  // `error_path` where there is one.
  void take(std::string_view name, std::string_view formula, std::string_view path,
            double scale = 1, std::string_view error_path = {});
  // Mean and sample variance of numbers, as NAME_mean and NAME_var; undefined for `reason`.
  void take_moments(const std::string& name, const std::string& formula,
                    std::span<const double> values, const std::optional<std::string>& reason = {});

 private:
  metrics::Analysis& analysis_;
  const ReportValues& weighted_;
  ReportValues& report_;
  std::string_view source_;
};

// The sum of squares about the mean over n - 1; n >= 2.
double sample_variance(std::span<const double> values);

// Samples that a classifier without b and the nearest centre decide alike, of how many.
struct UnbiasedAgreement {
  size_t agreeing = 0;
  size_t samples = 0;
  std::string reason;  // why there is none; else empty
};

// From decisions by W h + b, which b does not change where all its entries are equal. Predictions
// are taken as they came; of decisions that were counted elsewhere the classifier must be known.
UnbiasedAgreement unbiased_agreement(const Numbers& numbers, const metrics::Analysis& analysis);

// Why there is nothing to compare w_c and M_c by; nothing where there is.
std::optional<std::string> why_no_duality(const metrics::Analysis& analysis);

}  // namespace ncscope::profiles
