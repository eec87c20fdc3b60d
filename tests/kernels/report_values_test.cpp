#include "kernels/report_values.h"

#include <gtest/gtest.h>

#include <limits>

namespace ncscope::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ReportValues, HoldsNumbersByPath) {
  ReportValues values;
  values.set("nc1.pinv", 0.5);
  values.set_integer("nc1.rank", 9);
  EXPECT_EQ(values.number("nc1.pinv"), 0.5);
  EXPECT_EQ(values.number("nc1.rank"), 9);
  EXPECT_EQ(values.number("nc1.cdnv"), std::nullopt);
  EXPECT_EQ(values.reason("nc1.pinv"), std::nullopt);
}

TEST(ReportValues, ANumberThatIsNotFiniteIsUndefined) {
  ReportValues values;
  values.set("nc1.pinv", kInfinity);
  values.set("nc1.cdnv", std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(values.number("nc1.pinv"), std::nullopt);
  EXPECT_TRUE(values.reason("nc1.pinv"));
  EXPECT_TRUE(values.reason("nc1.cdnv"));
  EXPECT_TRUE(values.numbers().empty());
}

TEST(ReportValues, AReasonOfAGroupHoldsForItsFields) {
  ReportValues values;
  values.undefined("nc3", "no classifier was given");
  values.undefined("nc3.nc0", "another");
  EXPECT_EQ(values.reason("nc3"), "no classifier was given");
  EXPECT_EQ(values.reason("nc3.distance"), "no classifier was given");
  EXPECT_EQ(values.reason("nc3.nc0"), "another");
  EXPECT_EQ(values.reason("nc30.distance"), std::nullopt);
}

TEST(ReportValues, ColumnsMayLackEntries) {
  ReportValues values;
  values.set_column("count", std::vector<double>{1, kInfinity});
  const std::vector<std::optional<double>> expected{1.0, std::nullopt};
  EXPECT_EQ(values.columns().at("count"), expected);
}

}  // namespace
}  // namespace ncscope::test
