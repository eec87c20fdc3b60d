#include <gtest/gtest.h>

#include <cmath>

#include "kernels/report.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Minority : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Minority);

// A state of means in two dimensions, with these counts.
Statistics state(const std::vector<double>& means, const std::vector<uint64_t>& counts) {
  Statistics s = Statistics::empty(counts.size() + 1, 2, DType::kFloat32);  // the last is absent
  s.means = means;
  s.counts = counts;
  for (size_t c = 0; c < counts.size(); ++c) {
    s.classes.push_back(static_cast<uint32_t>(c));
    s.samples += counts[c];
    s.within.push_back(1);
  }
  s.scatter = {1, 0, 0, 1};
  return s;
}

// The rarest two of six classes are 4, and of those with two samples the lower label, 1.
const std::vector<uint64_t> kCounts = {9, 2, 9, 9, 1, 2};
const std::vector<double> kMeans = {3, 0, 1, 0, -3, 0, 0, 2, 0, -1, -1, -1};  // mu_G = 0

TEST_P(Minority, TheRarestThird) {
  const Classifier classifier = small_classifier(
      2, {1, 0, 2, 0, 1, 1, 1, 1, 1, 1, 0, 1, 5, 5});  // rows 1 and 4 at 45 degrees
  const ReportValues report =
      compute_report(device(), state(kMeans, kCounts), &classifier, nullptr, {});
  EXPECT_EQ(report.number("minority.classes"), 2);
  EXPECT_NEAR(*report.number("minority.means_cosine"), 0, 1e-15);  // (1, 0) and (0, -1)
  EXPECT_NEAR(*report.number("minority.classifier_cosine"), std::sqrt(0.5), 1e-15);
}

TEST_P(Minority, WithoutAClassifier) {
  const ReportValues report =
      compute_report(device(), state(kMeans, kCounts), nullptr, nullptr, {});
  EXPECT_TRUE(report.number("minority.means_cosine"));
  EXPECT_TRUE(undefined_because(report, "minority.classifier_cosine", "no classifier"));
}

TEST_P(Minority, SaysWhatIsMissing) {
  const auto why = [&](const Statistics& s, const char* path, const char* words) {
    EXPECT_TRUE(undefined_because(compute_report(device(), s, nullptr, nullptr, {}), path, words));
  };
  why(state(kMeans, {4, 4, 4, 4, 4, 4}), "minority.means_cosine", "same number of samples");
  why(state({3, 0, 1, 0, -3, 0}, {1, 2, 3}), "minority", "fewer than two of 3");
  const std::vector<double> zero = {3, 0, 0, 0, -3, 0, 1, 0, 0, -1, -1, 1};  // class 1 is mu_G
  why(state(zero, kCounts), "minority.means_cosine", "centred mean of a rare class is zero");
  const Classifier classifier = small_classifier(2, std::vector<double>(14));
  EXPECT_TRUE(
      undefined_because(compute_report(device(), state(kMeans, kCounts), &classifier, nullptr, {}),
                        "minority.classifier_cosine", "classifier row of a rare class is zero"));
}

}  // namespace
}  // namespace ncscope::test
