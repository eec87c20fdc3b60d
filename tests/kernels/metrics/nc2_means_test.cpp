#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Nc2Means : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Nc2Means);

// Samples x -+ 1/8 in the first coordinate about each of the rows x.
Samples about_means(size_t dim, const std::vector<double>& means) {
  std::vector<double> features;
  std::vector<int32_t> labels;
  const size_t classes = means.size() / dim;
  for (size_t c = 0; c < classes; ++c) {
    for (const double deviation : {-0.125, 0.125}) {
      for (size_t j = 0; j < dim; ++j) {
        features.push_back(means[c * dim + j] + (j == 0 ? deviation : 0));
      }
      labels.push_back(static_cast<int32_t>(c));
    }
  }
  return small_samples(classes, dim, features, labels);
}

TEST_P(Nc2Means, OneHotMeansAreASimplex) {
  // exact in binary: (I - 1/4) in four dimensions
  std::vector<double> means(16, 0);
  for (size_t c = 0; c < 4; ++c) means[c * 5] = 1;
  const ReportValues report = small_report(device(), about_means(4, means));
  EXPECT_NEAR(*report.number("nc2.means.equinorm"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.equinorm_raw"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.equiangular"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.max_angle"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.coherence"), -1.0 / 3, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.etf_error"), 0, 1e-15);
  EXPECT_EQ(report.number("nc2.means.etf_floor"), 0);
}

TEST_P(Nc2Means, OfThreeClassesInThePlane) {
  // Centred means (-2, 0), (2, 0), (0, 0) + ... : (3,0), (-3,3), (0,-3).
  const ReportValues report = small_report(device(), about_means(2, {4, 1, -2, 4, 1, -2}));
  const double n1 = 3, n2 = std::sqrt(18.0), n3 = 3;
  const double mean = (n1 + n2 + n3) / 3;
  const double deviation =
      std::sqrt(((n1 - mean) * (n1 - mean) * 2 + (n2 - mean) * (n2 - mean)) / 3);
  EXPECT_NEAR(*report.number("nc2.means.equinorm"), deviation / mean, 1e-15);
  const double half = -std::sqrt(0.5);  // cosines -1/sqrt2, 0, -1/sqrt2
  EXPECT_NEAR(*report.number("nc2.means.equiangular"), std::sqrt(2.0) / 3 * -half, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.max_angle"), (2 * (-half - 0.5) + 0.5) / 3, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.coherence"), 0, 1e-15);
  EXPECT_EQ(report.pairs().at("nc2.means.coherence_pair"), std::pair(0u, 2u));
}

TEST_P(Nc2Means, TwoClassesAreAlwaysASimplex) {
  const ReportValues report = small_report(device(), about_means(1, {1, 4}));
  EXPECT_NEAR(*report.number("nc2.means.etf_error"), 0, 1e-15);
  EXPECT_NEAR(*report.number("nc2.means.coherence"), -1, 1e-15);
  EXPECT_EQ(report.number("nc2.means.equiangular"), 0);
}

TEST_P(Nc2Means, TooFewDimensionsHaveAFloor) {
  // Means -1, 0.5, ... no set of 5 vectors on a line is nearer to a simplex than sqrt(2 - 2/2).
  const ReportValues report = small_report(device(), about_means(1, {-3, -1, 0.5, 1, 4}));
  EXPECT_DOUBLE_EQ(*report.number("nc2.means.etf_floor"), 1);
  EXPECT_GE(*report.number("nc2.means.etf_error"), 1);
}

TEST_P(Nc2Means, AMeanAtTheCenterHasNoDirection) {
  const ReportValues report = small_report(device(), about_means(1, {-2, 0, 2}));
  for (const char* path : {"nc2.means.equiangular", "nc2.means.max_angle", "nc2.means.coherence",
                           "nc2.means.coherence_pair"}) {
    EXPECT_TRUE(undefined_because(report, path, "class 1 is zero"));
  }
  EXPECT_TRUE(report.number("nc2.means.equinorm"));
  EXPECT_TRUE(report.number("nc2.means.etf_error"));
}

TEST_P(Nc2Means, EqualMeans) {
  const ReportValues report = small_report(device(), about_means(2, {3, 4, 3, 4}));
  for (const char* path : {"nc2.means.equinorm", "nc2.means.equiangular", "nc2.means.max_angle",
                           "nc2.means.coherence", "nc2.means.etf_error"}) {
    EXPECT_TRUE(undefined_because(report, path, "all class means are equal"));
  }
  EXPECT_EQ(report.number("nc2.means.equinorm_raw"), 0);
}

TEST_P(Nc2Means, OneClass) {
  EXPECT_TRUE(undefined_because(small_report(device(), about_means(2, {3, 4})),
                                "nc2.means.etf_error", "fewer than two classes"));
}

TEST_P(Nc2Means, SingletonsOnlyAreEnough) {
  const ReportValues report = small_report(device(), small_samples(3, 1, {1, 2, 4}, {0, 1, 2}));
  EXPECT_TRUE(report.number("nc2.means.etf_error"));
  EXPECT_TRUE(report.number("nc2.means.coherence"));
}

}  // namespace
}  // namespace ncscope::test
