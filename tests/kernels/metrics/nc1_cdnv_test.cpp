#include <gtest/gtest.h>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Nc1Cdnv : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Nc1Cdnv);

TEST_P(Nc1Cdnv, OfThreeClassesOnALine) {
  // Means 0, 2, 6; variances 1, 1, 4. Class 1 is absent, so that labels are not row indices.
  const ReportValues report =
      small_report(device(), small_samples(4, 1, {-1, 1, 1, 3, 4, 8}, {0, 0, 2, 2, 3, 3}));
  const double near = 2.0 / (2 * 4), middle = 5.0 / (2 * 16), far = 5.0 / (2 * 36);
  EXPECT_DOUBLE_EQ(*report.number("nc1.cdnv"), (near + middle + far) / 3);
  EXPECT_DOUBLE_EQ(*report.number("nc1.cdnv_max"), near);
  EXPECT_EQ(report.pairs().at("nc1.cdnv_worst_pair"), std::pair(0u, 2u));
  EXPECT_DOUBLE_EQ(*report.number("nc1.cdnv_fourth"), (near / 4 + middle / 16 + far / 36) / 3);
}

TEST_P(Nc1Cdnv, NamesThePairOfEqualMeans) {
  const ReportValues report =
      small_report(device(), small_samples(4, 1, {5, 7, 1, 3, 0, 4}, {0, 0, 2, 2, 3, 3}));
  for (const char* path : {"nc1.cdnv", "nc1.cdnv_max", "nc1.cdnv_worst_pair", "nc1.cdnv_fourth"}) {
    EXPECT_TRUE(undefined_because(report, path, "classes 2 and 3 have equal means"));
  }
  EXPECT_TRUE(report.number("nc1.quotient"));
  EXPECT_TRUE(report.number("nc2.means.coherence"));
}

TEST_P(Nc1Cdnv, FarFromTheOriginCloseMeansAreStillDifferent) {
  const double h = 1e6;
  const ReportValues report = small_report(
      device(), small_samples(2, 1, {h, h + 0x1p-20, h + 0x1p-18, h + 0x1p-17}, {0, 0, 1, 1}));
  ASSERT_TRUE(report.number("nc1.cdnv"));
  const double variance = (0x1p-42 + 0x1p-38) / 2;
  const double distance = 0x1p-18 + 0x1p-19 - 0x1p-21;
  EXPECT_NEAR(*report.number("nc1.cdnv") * distance * distance / variance, 1, 1e-4);
}

TEST_P(Nc1Cdnv, OneClassAndSingletonsOnly) {
  EXPECT_TRUE(undefined_because(small_report(device(), small_samples(1, 1, {1, 2}, {0, 0})),
                                "nc1.cdnv", "fewer than two classes"));
  EXPECT_TRUE(undefined_because(small_report(device(), small_samples(2, 1, {1, 2}, {0, 1})),
                                "nc1.cdnv_max", "no within-class freedom"));
}

}  // namespace
}  // namespace ncscope::test
