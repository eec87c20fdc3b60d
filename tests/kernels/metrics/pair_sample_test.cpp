#include "kernels/metrics/pair_sample.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/cpu_device.h"
#include "kernels/metrics/etf.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/layouts.h"
#include "tests/support/random.h"

namespace ncscope::test {
namespace {

using metrics::PairMetrics;

class PairSample : public DeviceTest {
 protected:
  // Rows less their mean, and what a sweep over their pairs takes.
  struct Rows {
    std::vector<double> raw, center, norms, variances;
    DeviceMatrix centered;
    PairInput input;
    metrics::CenteredRows host;
  };

  static Rows rows_on(Device& device, std::vector<double> raw, size_t dim) {
    Rows out;
    const size_t p = raw.size() / dim;
    out.raw = std::move(raw);
    out.center.assign(dim, 0);
    for (size_t i = 0; i < p * dim; ++i) out.center[i % dim] += out.raw[i] / static_cast<double>(p);
    for (size_t c = 0; c < p; ++c) out.variances.push_back(1 + static_cast<double>(c % 5));
    out.centered = device.upload({out.raw.data(), p, dim});
    device.subtract_row(out.centered, out.center);
    out.norms = device.row_dots(out.centered, out.centered);
    out.input.rows = out.centered;
    out.input.squared_norms = out.norms;
    out.input.within_variances = out.variances;
    out.input.etf_scale = metrics::etf_inner(device, out.centered, out.norms);
    out.host = {{out.raw.data(), p, dim}, out.center};
    return out;
  }
  Rows rows_of(std::vector<double> raw, size_t dim) { return rows_on(device(), raw, dim); }
};
NCSCOPE_TEST_ON_DEVICES(PairSample);

TEST_P(PairSample, StandardErrorsAreThoseOfTheEstimates) {
  const size_t populations = 60;
  const size_t pairs = 3000;
  std::vector<double> squares(4);
  for (size_t seed = 0; seed < populations; ++seed) {
    const Rows rows = rows_of(Random(seed).normals(30 * 8), 8);
    const PairSums all = device().pair_reduce(rows.input);
    const auto [sums, sampling] = metrics::sample_pairs(device(), rows.host, rows.input, pairs);
    ASSERT_EQ(sampling->pairs, pairs);
    const auto sampled = static_cast<double>(pairs);
    const auto total = static_cast<double>(all.pairs);
    const std::vector<double> z = {
        (sums.cdnv_sum / sampled - all.cdnv_sum / total) / sampling->cdnv_error,
        (sums.cdnv_fourth_sum / sampled - all.cdnv_fourth_sum / total) /
            sampling->cdnv_fourth_error,
        (sums.max_angle_sum / sampled - all.max_angle_sum / total) / sampling->max_angle_error,
        (sums.unit_distance.mean - all.unit_distance.mean) / sampling->distance_error};
    for (size_t i = 0; i < z.size(); ++i) {
      EXPECT_LT(std::fabs(z[i]), 5) << i;
      squares[i] += z[i] * z[i] / populations;
    }
  }
  for (const double square : squares) {  // 1 +- 0.18
    EXPECT_GT(square, 0.45);
    EXPECT_LT(square, 1.6);
  }
}

TEST_P(PairSample, CosinesAndResidualAreOfAllPairs) {
  for (const auto& [p, d] : {std::pair<size_t, size_t>{70, 5}, {7, 5}, {600, 3}}) {
    SCOPED_TRACE(testing::Message() << p << " rows of " << d);
    const Rows rows = rows_of(Random(p).normals(p * d), d);
    const PairSums all = device().pair_reduce(rows.input);
    const PairSums sums = metrics::sample_pairs(device(), rows.host, rows.input, 100).sums;
    EXPECT_NEAR(sums.cosine.mean, all.cosine.mean, 1e-13);
    EXPECT_NEAR(sums.cosine.variance() / all.cosine.variance(), 1, 1e-11);
    EXPECT_NEAR(sums.gram_residual / all.gram_residual, 1, 1e-11);
  }
}

// A simplex of d + 1 rows in d dimensions and one more row: as near to a simplex as d + 2 get.
TEST_P(PairSample, TheResidualOfTooManyRowsForASimplexDoesNotCancel) {
  const size_t d = 40;
  std::vector<double> raw((d + 2) * d);
  for (size_t c = 0; c < d; ++c) raw[c * d + c] = 1;
  const double last = (1 - std::sqrt(static_cast<double>(d + 1))) / static_cast<double>(d);
  for (size_t j = 0; j < d; ++j) raw[d * d + j] = last;
  const Rows rows = rows_of(raw, d);
  const PairSums all = device().pair_reduce(rows.input);
  const PairSums sums = metrics::sample_pairs(device(), rows.host, rows.input, 100).sums;
  EXPECT_NEAR(sums.gram_residual / all.gram_residual, 1, 1e-11);
  EXPECT_NEAR(sums.cosine.variance() / all.cosine.variance(), 1, 1e-11);
}

TEST_P(PairSample, IsTheSameOnEveryDevice) {
  CpuDevice cpu;
  const std::vector<double> raw = Random(4).normals(90 * 13);
  const Rows here = rows_of(raw, 13);
  Rows there = rows_on(cpu, raw, 13);
  there.input.squared_norms = here.norms;  // summed in another order
  const PairMetrics got = metrics::sample_pairs(device(), here.host, here.input, 500);
  const PairMetrics expected = metrics::sample_pairs(cpu, there.host, there.input, 500);
  EXPECT_EQ(got.sums.cdnv_sum, expected.sums.cdnv_sum);
  EXPECT_EQ(got.sums.max_angle_sum, expected.sums.max_angle_sum);
  EXPECT_EQ(got.sums.unit_log.m2, expected.sums.unit_log.m2);
  EXPECT_EQ(got.sampling->log_error, expected.sampling->log_error);
}

TEST_P(PairSample, ValuesOfPairsAreThoseOfTheSweep) {
  // Two rows: every pair of the sample is the same.
  for (const double near : {1.0, 1e-3, 1e-6}) {
    const Rows rows = rows_of(
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 2 + near, 4 + 2 * near, 6 + near, 8, 10, 12, 14, 16, 18 + near},
        9);
    PairInput input = rows.input;  // about the origin, where the two rows are nearly parallel
    const std::vector<double> origin(9, 0.0);
    const DeviceMatrix raw = upload(rows.raw, 2, 9);
    const std::vector<double> norms = device().row_dots(raw, raw);
    input.rows = raw;
    input.squared_norms = norms;
    const PairSums all = device().pair_reduce(input);
    const PairSums sums =
        metrics::sample_pairs(device(), {{rows.raw.data(), 2, 9}, origin}, input, 64).sums;
    EXPECT_NEAR(sums.cdnv_sum / 64 / all.cdnv_sum, 1, 1e-12);
    EXPECT_NEAR(sums.max_angle_sum / 64 / all.max_angle_sum, 1, 1e-12);
    EXPECT_NEAR(sums.unit_distance.mean / all.unit_distance.mean, 1, 1e-12);
    EXPECT_NEAR(sums.unit_log.mean / all.unit_log.mean, 1, 1e-12);
  }
}

TEST_P(PairSample, EqualRowsOfTheSampleAreNamed) {
  std::vector<double> raw = Random(5).normals(20 * 3);
  for (size_t j = 0; j < 3; ++j) raw[12 * 3 + j] = raw[4 * 3 + j];
  const Rows rows = rows_of(raw, 3);
  const PairSums sums = metrics::sample_pairs(device(), rows.host, rows.input, 5000).sums;
  for (const auto& pair : {sums.equal, sums.aligned}) {
    ASSERT_TRUE(pair.has_value());
    EXPECT_EQ(pair->first, 4u);
    EXPECT_EQ(pair->second, 12u);
  }
  EXPECT_TRUE(std::isfinite(sums.cdnv_sum));
}

TEST_P(PairSample, IsTakenBeyondTheBudget) {
  const Rows rows = rows_of(Random(6).normals(70 * 5), 5);
  const auto sampled = [&](bool exact) {
    return metrics::pair_metrics(device(), rows.host, rows.input, exact).sampling.has_value();
  };
  EXPECT_FALSE(sampled(false));
  device().set_pair_budget(70.0 * 70 * 5 / 2);
  EXPECT_FALSE(sampled(false));
  device().set_pair_budget(70.0 * 70 * 5 / 2 - 1);
  EXPECT_TRUE(sampled(false));
  EXPECT_FALSE(sampled(true));
  device().set_pair_budget(1);
  const Rows few = rows_of(Random(7).normals(6 * 5), 5);
  EXPECT_FALSE(metrics::pair_metrics(device(), few.host, few.input, false).sampling);
}

TEST(PairBudget, OfAProcessor) {
  EXPECT_GT(50'000.0 * 50'000 * 1024 / 2, CpuDevice().pair_budget());
  EXPECT_LT(10'000.0 * 10'000 * 2048 / 2, CpuDevice().pair_budget());
}

TEST_P(PairSample, InAReport) {
  const Samples samples = lay_out({"", 5, std::vector<size_t>(60, 4)}, DType::kFloat64);
  const Statistics statistics = oracle_statistics(samples);
  const Classifier classifier = classifier_along(samples, 7);
  const auto report_of = [&](bool exact) {
    ReportOptions options;
    options.exact_pairs = exact;
    return compute_report(device(), statistics, &classifier, nullptr, options);
  };
  const ReportValues all = report_of(false);
  EXPECT_FALSE(all.number("nc1.sampled_pairs"));
  device().set_pair_budget(1);
  expect_same(report_of(true), all, 0);
  const ReportValues report = report_of(false);
  expect_same(report, report_of(false), 0);

  EXPECT_EQ(report.number("nc1.sampled_pairs"), 1 << 20);
  const auto expect_estimate = [&](const std::string& path, const std::string& error) {
    ASSERT_TRUE(report.number(path)) << path;
    ASSERT_TRUE(report.number(error)) << error;
    EXPECT_GT(*report.number(error), 0) << error;
    EXPECT_LT(std::fabs(*report.number(path) - *all.number(path)), 5 * *report.number(error))
        << path;
  };
  expect_estimate("nc1.cdnv", "nc1.cdnv_sampling_error");
  expect_estimate("nc1.cdnv_fourth", "nc1.cdnv_fourth_sampling_error");
  for (const std::string group : {"nc2.means.", "nc2.classifier."}) {
    EXPECT_EQ(report.number(group + "sampled_pairs"), 1 << 20);
    expect_estimate(group + "max_angle", group + "max_angle_standard_error");
    for (const std::string kernel : {"distance", "log"}) {
      const std::string prefix = group + "uniformity_" + kernel;
      expect_estimate(prefix + "_mean", prefix + "_standard_error");
      EXPECT_NEAR(*report.number(prefix + "_var") / *all.number(prefix + "_var"), 1, 0.1);
    }
    for (const std::string field : {"equiangular", "etf_error", "equinorm"}) {
      EXPECT_NEAR(*report.number(group + field) / *all.number(group + field), 1, 1e-11) << field;
    }
    EXPECT_TRUE(undefined_because(report, group + "coherence", "--exact-pairs"));
    EXPECT_TRUE(undefined_because(report, group + "uniformity_riesz_mean", "closest pairs decide"));
    EXPECT_TRUE(undefined_because(report, group + "coherence_pair", "--exact-pairs"));
  }
  EXPECT_TRUE(undefined_because(report, "nc1.cdnv_max", "--exact-pairs"));
  EXPECT_TRUE(undefined_because(report, "nc1.cdnv_worst_pair", "--exact-pairs"));
  EXPECT_TRUE(undefined_because(report, "classes.nearest_class", "--exact-pairs"));
  EXPECT_FALSE(report.columns().contains("nearest_class"));
  EXPECT_EQ(report.number("nc1.pinv"), all.number("nc1.pinv"));
}

}  // namespace
}  // namespace ncscope::test
