#include "proto/convert/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "kernels/errors.h"

namespace ncscope {
namespace {

TEST(FillReport, WritesEachValueIntoTheFieldThatItsPathNames) {
  ReportValues values;
  values.set("nc1.pinv", 0.25);
  values.set("nc2.means.etf_error", 0.5);
  values.set_integer("nc1.rank", 9);
  values.set_integer("data.samples", 5'000'000'000);
  values.set_pair("nc1.cdnv_worst_pair", 3, 7);
  values.set_list("data.absent", {0, 5});
  values.undefined("nc3", "no classifier");
  values.warn("rank_deficient", "rank 4 of 9");
  v1::Report report;
  fill_report(values, report);
  EXPECT_EQ(report.nc1().pinv(), 0.25);
  EXPECT_EQ(report.nc2().means().etf_error(), 0.5);
  EXPECT_EQ(report.nc1().rank(), 9u);
  EXPECT_EQ(report.data().samples(), 5'000'000'000u);
  EXPECT_EQ(report.nc1().cdnv_worst_pair().first(), 3u);
  EXPECT_EQ(report.nc1().cdnv_worst_pair().second(), 7u);
  EXPECT_THAT(report.data().absent(), testing::ElementsAre(0, 5));
  ASSERT_EQ(report.undefined_size(), 1);
  EXPECT_EQ(report.undefined(0).metric(), "nc3");
  EXPECT_EQ(report.undefined(0).reason(), "no classifier");
  ASSERT_EQ(report.warnings_size(), 1);
  EXPECT_EQ(report.warnings(0).code(), "rank_deficient");
  EXPECT_FALSE(report.nc1().has_quotient());
  EXPECT_FALSE(report.has_nc3());
}

TEST(FillReport, WritesColumnsIntoTheRowsOfClasses) {
  ReportValues values;
  values.set_column("label", std::vector<double>{1, 4});
  values.set_column("within_variance", std::vector<std::optional<double>>{std::nullopt, 2.5});
  v1::Report report;
  fill_report(values, report);
  ASSERT_EQ(report.classes_size(), 2);
  EXPECT_EQ(report.classes(0).label(), 1u);
  EXPECT_FALSE(report.classes(0).has_within_variance());
  EXPECT_EQ(report.classes(1).label(), 4u);
  EXPECT_EQ(report.classes(1).within_variance(), 2.5);
}

TEST(FillReport, WritesNumbersOfAProfileInTheirOrder) {
  ReportValues values;
  values.add_profile_number({"nc2", 0.5, 0.125, "a / b", "a paper"});
  values.add_profile_number({"NC1", {}, {}, "c", "another"});
  values.add_profile_number({"NC4", std::numeric_limits<double>::infinity(), {}, "d", ""});
  v1::Report report;
  fill_report(values, report);
  ASSERT_EQ(report.profile_numbers_size(), 3);
  const v1::ProfileNumber& first = report.profile_numbers(0);
  EXPECT_EQ(first.name(), "nc2");
  EXPECT_EQ(first.value(), 0.5);
  EXPECT_EQ(first.standard_error(), 0.125);
  EXPECT_EQ(first.formula(), "a / b");
  EXPECT_EQ(first.source(), "a paper");
  EXPECT_EQ(report.profile_numbers(1).name(), "NC1");
  EXPECT_FALSE(report.profile_numbers(1).has_value());
  EXPECT_FALSE(report.profile_numbers(1).has_standard_error());
  EXPECT_FALSE(report.profile_numbers(2).has_value());
  ASSERT_EQ(report.undefined_size(), 1);
  EXPECT_EQ(report.undefined(0).metric(), "profile.NC4");
}

TEST(FillReport, RefusesPathsThatAreNoFieldOrOfAnotherType) {
  for (const char* path : {"nc1.nothing", "nothing", "nc1", "nc1.pinv.deeper", "classes.label"}) {
    ReportValues values;
    values.set(path, 1.0);
    v1::Report report;
    EXPECT_THROW(fill_report(values, report), std::logic_error) << path;
  }
}

TEST(ReportJson, UsesTheProtosNamesAndLeavesOutWhatIsUndefined) {
  v1::Report report;
  report.mutable_key()->set_run("digits");
  report.mutable_nc1()->set_pinv(0.1);
  const std::string json = report_to_json(report, false);
  EXPECT_THAT(json, testing::HasSubstr("\"nc1\":{\"pinv\":0.1"));
  EXPECT_THAT(json, testing::HasSubstr("\"epoch\":0"));
  EXPECT_THAT(json, testing::Not(testing::HasSubstr("quotient")));
  EXPECT_THAT(json, testing::Not(testing::HasSubstr("cdnv_worst_pair")));
  EXPECT_THAT(json, testing::Not(testing::HasSubstr("nc3")));
}

TEST(ReportJson, ComesBackToTheLastBit) {
  v1::Report report;
  report.mutable_key()->set_run("digits");
  report.mutable_nc1()->set_pinv(0.1 + 0.2);
  report.mutable_nc1()->set_quotient(3e-300);
  report.mutable_data()->set_samples(18'000'000'000'000'000'000u);
  const v1::Report back = report_from_json(report_to_json(report, true));
  EXPECT_EQ(back.nc1().pinv(), report.nc1().pinv());
  EXPECT_EQ(back.nc1().quotient(), report.nc1().quotient());
  EXPECT_EQ(back.data().samples(), report.data().samples());
  EXPECT_THROW(report_from_json("{\"nc1\": "), InvalidArgument);
}

TEST(DescribeReport, StatesDeviceAndConventions) {
  DeviceInfo device{"cpu", "some processor", "exact", {"a BLAS"}, 2, ""};
  v1::Report report;
  Statistics statistics = Statistics::empty(2, 2, DType::kBFloat16);
  describe_report(device, statistics,
                  {.weighting = Weighting::kByCount, .profile = Profile::kGeometric}, report);
  EXPECT_EQ(report.conventions().profile(), "geometric");
  EXPECT_EQ(report.device().backend(), "cpu");
  EXPECT_EQ(report.device().parallelism(), 2u);
  EXPECT_EQ(report.conventions().weighting(), v1::WEIGHTING_BY_COUNT);
  EXPECT_EQ(report.conventions().input_type(), v1::DATA_TYPE_BFLOAT16);
  EXPECT_EQ(report.conventions().accumulation(), "float32 products, float64 sums");
  EXPECT_EQ(report.conventions().definitions_version(), "1");
  EXPECT_GT(report.created_at().seconds(), 0);
  // What the state says, not the device that made the report.
  statistics.product_type = DType::kFloat64;
  describe_report(device, statistics, {}, report);
  EXPECT_EQ(report.conventions().accumulation(), "float64");
}

}  // namespace
}  // namespace ncscope
