#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/metrics/small.h"

namespace ncscope::test {
namespace {

class Classes : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Classes);

using Column = std::vector<std::optional<double>>;

TEST_P(Classes, OneRowForEachPresentClass) {
  // Class 1 of 0..3 is absent; means (0, 0), (3, 0), (3, 4); mu_G = (2, 4/3).
  const Samples samples = small_samples(4, 2, {-1, 0, 1, 0, 3, -2, 3, 2, 3, 4}, {0, 0, 2, 2, 3});
  const Classifier classifier = small_classifier(2, {-2, -4.0 / 3, 9, 9, 0, 0, 3, 4});
  const ReportValues report = small_report(device(), samples, &classifier);
  const auto& columns = report.columns();
  EXPECT_EQ(columns.at("label"), (Column{0, 2, 3}));
  EXPECT_EQ(columns.at("count"), (Column{2, 2, 1}));
  EXPECT_EQ(columns.at("within_variance"), (Column{1, 4, 0}));
  EXPECT_EQ(columns.at("nearest_class"), (Column{2, 0, 2}));
  EXPECT_EQ(columns.at("nearest_distance"), (Column{3, 3, 4}));
  EXPECT_EQ(*columns.at("weight_norm")[2], 5);
  EXPECT_NEAR(*columns.at("cosine")[0], 1, 1e-15);
  EXPECT_EQ(columns.at("cosine")[1], std::nullopt);  // w is zero
  EXPECT_NEAR(*columns.at("mean_norm")[0], std::hypot(2.0, 4.0 / 3), 1e-15);
  EXPECT_FALSE(columns.contains("agreement"));
}

TEST_P(Classes, OneClassHasNoNeighbour) {
  const auto columns = small_report(device(), small_samples(2, 1, {1, 2}, {1, 1})).columns();
  EXPECT_EQ(columns.at("label"), Column{1});
  EXPECT_FALSE(columns.contains("nearest_class"));
  EXPECT_FALSE(columns.contains("mean_norm"));
  EXPECT_FALSE(columns.contains("weight_norm"));
}

}  // namespace
}  // namespace ncscope::test
