// A report with a profile, and its numbers by name.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "kernels/accumulator.h"
#include "kernels/decisions.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/layouts.h"
#include "tests/support/measure.h"

namespace ncscope::test {

// With decisions about the samples' own means; `classifier` may be null.
inline ReportValues profile_report(Device& device, const Samples& samples,
                                   const Classifier* classifier, Profile profile,
                                   Weighting weighting = Weighting::kUniform) {
  const Statistics statistics = accumulate_rows(device, samples, 0, samples.rows());
  DecisionCounter counter(device, statistics, classifier);
  counter.add(device, samples.batch());
  ReportOptions options;
  options.weighting = weighting;
  options.profile = profile;
  return compute_report(device, statistics, classifier, &counter.counts(), options);
}

inline const ProfileNumber* find_number(const ReportValues& report, const std::string& name) {
  for (const ProfileNumber& number : report.profile_numbers()) {
    if (number.name == name) return &number;
  }
  return nullptr;
}

// NaN where it is undefined or not there.
inline double profile_value(const ReportValues& report, const std::string& name) {
  const ProfileNumber* number = find_number(report, name);
  if (number == nullptr || !number->value) {
    ADD_FAILURE() << name << ": " << report.reason("profile." + name).value_or("not there");
    return std::numeric_limits<double>::quiet_NaN();
  }
  return *number->value;
}

// Whether the number is there without a value, for a reason that holds `words`.
inline testing::AssertionResult profile_undefined(const ReportValues& report,
                                                  const std::string& name,
                                                  const std::string& words) {
  const ProfileNumber* number = find_number(report, name);
  if (number == nullptr) return testing::AssertionFailure() << name << " is not there";
  if (number->value) return testing::AssertionFailure() << name << " has a value";
  return undefined_because(report, "profile." + name, words);
}

}  // namespace ncscope::test
