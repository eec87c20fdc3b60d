#include <gtest/gtest.h>

#include <cmath>

#include "kernels/errors.h"
#include "kernels/report.h"
#include "tests/kernels/metrics/axis_statistics.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class SpectrumTest : public DeviceTest {
 protected:
  ReportValues report(const Statistics& statistics, Spectrum spectrum = Spectrum::kAuto) {
    ReportOptions options;
    options.spectrum = spectrum;
    return compute_report(device(), statistics, nullptr, nullptr, options);
  }
  static std::vector<double> eigenvalues(const ReportValues& values, const char* matrix) {
    return values.number_lists().at(std::string("spectrum.") + matrix + ".eigenvalues");
  }
};
NCSCOPE_TEST_ON_DEVICES(SpectrumTest);

void expect_near(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-14 * want[0]) << i;
}

TEST_P(SpectrumTest, AlongAxes) {
  // S_W = diag(1, 3), S_B = diag(4, 0).
  const ReportValues values = report(axis_statistics(2, {0, 0, 4, 0}, {1, 3}, kDouble));
  expect_near(eigenvalues(values, "within"), {3, 1});
  expect_near(eigenvalues(values, "between"), {4});
  expect_near(eigenvalues(values, "total"), {5, 3});
  const double entropy = -(0.75 * std::log(0.75) + 0.25 * std::log(0.25));
  EXPECT_NEAR(*values.number("spectrum.within.effective_rank"), std::exp(entropy), 1e-14);
  EXPECT_NEAR(*values.number("spectrum.within.stable_rank"), 4.0 / 3, 1e-14);
  EXPECT_NEAR(*values.number("spectrum.within.participation_ratio"), 1.6, 1e-14);
  for (const char* rank : {"effective_rank", "stable_rank", "participation_ratio"}) {
    EXPECT_NEAR(*values.number(std::string("spectrum.between.") + rank), 1, 1e-14);
  }
}

// Squares of tiny eigenvalues underflow.
TEST_P(SpectrumTest, RanksDoNotDependOnTheScale) {
  const ReportValues values = report(axis_statistics(2, {0, 0, 4, 0}, {0x1p-600, 0x3p-600}, 0));
  EXPECT_NEAR(*values.number("spectrum.within.participation_ratio"), 1.6, 1e-14);
  EXPECT_NEAR(*values.number("spectrum.within.stable_rank"), 4.0 / 3, 1e-14);
}

TEST_P(SpectrumTest, TheLargestOrAllOrNone) {
  constexpr size_t kDim = 70;
  std::vector<double> variances, means(2 * kDim);
  for (size_t j = 0; j < kDim; ++j) variances.push_back(static_cast<double>(kDim - j));
  means[0] = 1;
  const Statistics s = axis_statistics(kDim, means, variances, kDouble);
  expect_near(eigenvalues(report(s, Spectrum::kAll), "within"), variances);
  const std::vector<double> leading(variances.begin(), variances.begin() + 64);
  expect_near(eigenvalues(report(s, Spectrum::kLeading), "within"), leading);
  expect_near(eigenvalues(report(s), "within"), leading);
  EXPECT_EQ(report(s, Spectrum::kAll).number("spectrum.within.effective_rank"),
            report(s).number("spectrum.within.effective_rank"));
  EXPECT_TRUE(undefined_because(report(s, Spectrum::kNone), "spectrum.within.stable_rank",
                                "not asked for"));
}

TEST_P(SpectrumTest, FewSamplesInManyDimensionsHaveThemOnlyWhereAskedFor) {
  constexpr size_t kDim = 257;
  std::vector<double> means(2 * kDim);
  means[0] = 1;
  Statistics s = axis_statistics(kDim, means, std::vector<double>(kDim, 1), kDouble);
  EXPECT_TRUE(undefined_because(report(s), "spectrum.total.stable_rank", "where asked for"));
  EXPECT_TRUE(undefined_because(report(s), "spectrum.within.stable_rank", "where asked for"));
  EXPECT_EQ(eigenvalues(report(s), "between").size(), 1u);  // of two classes
  EXPECT_EQ(eigenvalues(report(s, Spectrum::kLeading), "total").size(), 64u);
  s.samples = 64 * kDim;
  s.counts = {32 * kDim, 32 * kDim};
  EXPECT_EQ(eigenvalues(report(s), "total").size(), 64u);
}

TEST_P(SpectrumTest, SaysWhatIsMissing) {
  const ReportValues one = report(oracle_statistics(small_samples(1, 2, {1, 2, 3, 5}, {0, 0})));
  EXPECT_TRUE(one.number("spectrum.within.stable_rank"));
  EXPECT_TRUE(undefined_because(one, "spectrum.between.stable_rank", "fewer than two classes"));
  EXPECT_TRUE(undefined_because(one, "spectrum.total.stable_rank", "fewer than two classes"));
  const ReportValues single = report(oracle_statistics(small_samples(3, 1, {1, 2, 4}, {0, 1, 2})));
  EXPECT_TRUE(undefined_because(single, "spectrum.within.stable_rank", "no within-class freedom"));
  EXPECT_TRUE(single.number("spectrum.between.stable_rank"));
  const ReportValues still = report(axis_statistics(2, {0, 0, 2, 0}, {0, 0}, kDouble));
  EXPECT_TRUE(undefined_because(still, "spectrum.within.effective_rank", "S_W is zero"));
  EXPECT_NEAR(*still.number("spectrum.total.stable_rank"), 1, 1e-15);
}

TEST(SpectrumOption, IsParsed) {
  EXPECT_EQ(parse_spectrum("all"), Spectrum::kAll);
  EXPECT_THROW(parse_spectrum("some"), InvalidArgument);
}

}  // namespace
}  // namespace ncscope::test
