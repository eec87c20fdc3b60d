#include "kernels/metrics/uniformity.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/metrics/axis_statistics.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/random.h"

namespace ncscope::test {
namespace {

class Uniformity : public DeviceTest {
 protected:
  // A report on rows of class means, centred by it.
  ReportValues of_means(size_t dim, const std::vector<double>& means) {
    const Statistics s = axis_statistics(dim, means, std::vector<double>(dim, 0.25), 0);
    ReportOptions options;
    options.spectrum = Spectrum::kNone;
    return compute_report(device(), s, nullptr, nullptr, options);
  }
};
NCSCOPE_TEST_ON_DEVICES(Uniformity);

const std::string kPath = "nc2.means.uniformity_";

TEST_P(Uniformity, OfASimplex) {
  std::vector<double> means(16, 0);
  for (size_t c = 0; c < 4; ++c) means[c * 5] = 1;
  const ReportValues report = of_means(4, means);  // D^2 = 8/3, s = 2
  EXPECT_NEAR(*report.number(kPath + "distance_mean"), std::sqrt(8.0 / 3), 1e-15);
  EXPECT_NEAR(*report.number(kPath + "log_mean"), -std::log(8.0 / 3) / 2, 1e-15);
  EXPECT_NEAR(*report.number(kPath + "riesz_mean"), 3.0 / 8, 1e-15);
  for (const char* field : {"distance_var", "log_var", "riesz_var"}) {
    EXPECT_LT(*report.number(kPath + field), 1e-30) << field;
  }
}

TEST_P(Uniformity, OfThreeClassesInSpace) {
  // Centred: (3, 0, 0), (-3, 3, 0), (0, -3, 0); cosines -1/sqrt(2), 0, -1/sqrt(2); s = 1.
  const ReportValues report = of_means(3, {4, 1, 5, -2, 4, 5, 1, -2, 5});
  const double wide = std::sqrt(2 + std::sqrt(2.0)), narrow = std::sqrt(2.0);
  const auto expect = [&](const std::string& kernel, double a, double b) {
    EXPECT_NEAR(*report.number(kPath + kernel + "_mean"), (2 * a + b) / 3, 1e-15);
    EXPECT_NEAR(*report.number(kPath + kernel + "_var"), (a - b) * (a - b) * 2 / 9, 1e-15);
  };
  expect("distance", wide, narrow);
  expect("log", -std::log(wide), -std::log(narrow));
  expect("riesz", 1 / wide, 1 / narrow);
}

TEST_P(Uniformity, InThePlaneTheRieszKernelIsZero) {
  const ReportValues report = of_means(2, {4, 1, -2, 4, 1, -2});
  EXPECT_EQ(report.number(kPath + "riesz_mean"), 0);
  EXPECT_EQ(report.number(kPath + "riesz_var"), 0);
}

TEST_P(Uniformity, OnALineTheRieszKernelIsTheDistance) {
  const ReportValues report = of_means(1, {-4, 1, 3});  // D = 2, 2, 0
  EXPECT_NEAR(*report.number(kPath + "distance_mean"), 4.0 / 3, 1e-15);
  EXPECT_NEAR(*report.number(kPath + "distance_var"), 8.0 / 9, 1e-15);
  EXPECT_NEAR(*report.number(kPath + "riesz_mean"), -4.0 / 3, 1e-15);
  EXPECT_NEAR(*report.number(kPath + "riesz_var"), 8.0 / 9, 1e-15);
  EXPECT_TRUE(undefined_because(report, kPath + "log_mean", "classes 1 and 2"));
}

TEST_P(Uniformity, OneDirectionIsNamed) {
  const ReportValues report = of_means(3, {1, 2, 0, 2, 4, 0, -3, -6, 1, 0, 0, -1});
  EXPECT_TRUE(report.number(kPath + "distance_mean"));
  for (const char* field : {"log_mean", "log_var", "riesz_mean", "riesz_var"}) {
    EXPECT_TRUE(undefined_because(report, kPath + field, "classes 0 and 1 have the same")) << field;
  }
}

TEST_P(Uniformity, AZeroMeanHasNoDirection) {
  const ReportValues report = of_means(1, {-2, 0, 2});
  EXPECT_TRUE(undefined_because(report, kPath + "distance_mean", "class 1 is zero"));
  EXPECT_TRUE(undefined_because(report, kPath + "riesz_var", "class 1 is zero"));
}

TEST_P(Uniformity, PowersBeyondFloat64AreUndefined) {
  for (const size_t dim : {1300, 2200}) {
    SCOPED_TRACE(dim);
    const ReportValues report = of_means(dim, Random(1).normals(5 * dim));
    EXPECT_TRUE(report.number(kPath + "log_var"));
    EXPECT_TRUE(undefined_because(report, kPath + "riesz_var", "range of float64"));
    if (dim == 1300) {  // the mean still fits: about 2.5^-649
      EXPECT_GT(*report.number(kPath + "riesz_mean"), 1e-300);
      EXPECT_LT(*report.number(kPath + "riesz_mean"), 1e-150);
    } else {
      EXPECT_TRUE(undefined_because(report, kPath + "riesz_mean", "s = d - 2 = 2198"));
    }
  }
  // Two directions so close that the power overflows.
  std::vector<double> means = Random(2).normals(5 * 700);
  for (size_t j = 0; j < 700; ++j) means[j] = means[700 + j] + 1e-3 * means[1400 + j];
  const ReportValues report = of_means(700, means);
  EXPECT_TRUE(report.number(kPath + "log_mean"));
  EXPECT_TRUE(undefined_because(report, kPath + "riesz_mean", "range of float64"));
}

}  // namespace
}  // namespace ncscope::test
