// What training ends in: classes collapsed to a millionth of their distance, exact simplexes.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/metrics/compare.h"
#include "tests/kernels/metrics/small.h"
#include "tests/support/layouts.h"
#include "tests/support/measure.h"

namespace ncscope::test {
namespace {

class Collapse : public DeviceTest {};
NCSCOPE_TEST_ON_DEVICES(Collapse);

TEST_P(Collapse, KeepsItsAccuracyHoweverDeepAndFarFromTheOrigin) {
  for (const double offset : {0.0, 10.0}) {
    for (const double spread : {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}) {
      SCOPED_TRACE("std " + std::to_string(spread) + " offset " + std::to_string(offset));
      const Samples samples =
          lay_out({"", 32, std::vector<size_t>(10, 60), spread, offset}, DType::kFloat32);
      const ReportValues report = measure(device(), samples, nullptr);
      const OracleMetrics oracle = oracle_metrics(samples, nullptr, Weighting::kUniform);
      for (const char* path : {"nc1.pinv", "nc1.quotient", "nc1.cdnv", "nc1.cdnv_fourth"}) {
        EXPECT_NEAR(*report.number(path) / oracle.numbers.at(path), 1, 1e-6) << path;
      }
    }
  }
}

// Statistics of samples about the rows of a simplex, without the samples.
Statistics simplex_statistics(size_t classes, size_t dim, const std::vector<double>& rows) {
  Statistics s = Statistics::empty(classes, dim, DType::kFloat64);
  s.samples = 2 * classes;
  s.means = rows;
  s.scatter.assign(dim * dim, 0);
  for (size_t j = 0; j < dim; ++j) s.scatter[j * dim + j] = 0.25;
  for (size_t c = 0; c < classes; ++c) {
    s.classes.push_back(static_cast<uint32_t>(c));
    s.counts.push_back(2);
    s.within.push_back(0.25 * static_cast<double>(dim) / static_cast<double>(classes));
  }
  s.sum_squares = 2 * static_cast<double>(classes);
  return s;
}

TEST_P(Collapse, AnExactSimplexHasTheIdealValues) {
  for (const auto& [classes, dim] :
       {std::pair<size_t, size_t>{2, 2}, {10, 10}, {10, 512}, {33, 40}, {200, 256}, {1000, 2048}}) {
    SCOPED_TRACE(std::to_string(classes) + " in " + std::to_string(dim));
    const std::vector<double> rows = simplex_frame(classes, dim);
    const Classifier classifier = small_classifier(dim, rows);
    const ReportValues report =
        compute_report(device(), simplex_statistics(classes, dim, rows), &classifier, nullptr, {});
    const double ideal = -1 / static_cast<double>(classes - 1);
    for (const std::string group : {"nc2.means.", "nc2.classifier."}) {
      EXPECT_LT(*report.number(group + "equinorm"), 1e-13);
      EXPECT_LT(*report.number(group + "equiangular"), 1e-13);
      EXPECT_LT(*report.number(group + "max_angle"), 1e-13);
      EXPECT_NEAR(*report.number(group + "coherence"), ideal, 1e-13);
      EXPECT_LT(*report.number(group + "etf_error"), 1e-12);
      EXPECT_EQ(*report.number(group + "etf_floor"), 0);
      EXPECT_NEAR(*report.number(group + "uniformity_distance_mean"), std::sqrt(2 - 2 * ideal),
                  1e-13);
      EXPECT_LT(*report.number(group + "uniformity_distance_var"), 1e-27);
      EXPECT_LT(*report.number(group + "uniformity_log_var"), 1e-27);
    }
    EXPECT_LT(*report.number("nc3.distance"), 1e-12);
    EXPECT_LT(*report.number("nc3.structure_error"), 1e-12);
    EXPECT_NEAR(*report.number("nc3.cosine_min"), 1, 1e-13);
    EXPECT_LT(*report.number("nc3.cosine_std"), 1e-13);
    EXPECT_NEAR(*report.number("nc1.condition"), 1, 1e-12);
    EXPECT_EQ(report.number("nc1.rank"), classes - 1);
    // S_B is 1/(K-1) times the projector on its span, S_W is 1/(8 K) I.
    const double within = 0.25 / static_cast<double>(2 * classes);
    const double span = static_cast<double>(classes - 1);
    EXPECT_NEAR(*report.number("nc1.pinv") / (within * span * span / static_cast<double>(classes)),
                1, 1e-12);
  }
}

TEST_P(Collapse, OneHotFeaturesAreAnExactSimplexInFloat32) {
  const size_t classes = 10;
  std::vector<double> values;
  std::vector<int32_t> labels;
  std::vector<double> weight;
  for (size_t c = 0; c < classes; ++c) {
    for (const double deviation : {-0.125, 0.125}) {
      for (size_t j = 0; j < classes; ++j) values.push_back((c == j) + (j == 0 ? deviation : 0));
      labels.push_back(static_cast<int32_t>(c));
    }
    for (size_t j = 0; j < classes; ++j) weight.push_back((c == j) - 0.1);
  }
  const Classifier classifier = small_classifier(classes, weight);
  const ReportValues report = measure(
      device(), make_samples(DType::kFloat32, classes, classes, values, labels), &classifier);
  EXPECT_LT(*report.number("nc2.means.etf_error"), 1e-14);
  EXPECT_LT(*report.number("nc2.classifier.etf_error"), 1e-14);
  EXPECT_LT(*report.number("nc3.distance"), 1e-14);
  EXPECT_EQ(report.number("nc4.agreement"), 1);
}

}  // namespace
}  // namespace ncscope::test
