// What the formulas promise under rotation, translation and scaling of the features.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "tests/kernels/metrics/small.h"
#include "tests/support/layouts.h"
#include "tests/support/measure.h"
#include "tests/support/random.h"

namespace ncscope::test {
namespace {

class Invariance : public DeviceTest {
 protected:
  ReportValues report(const std::function<void(std::vector<double>& row)>& map) {
    Samples samples = lay_out({"", 12, {30, 20, 25, 8, 40}}, DType::kFloat64);
    std::vector<double> values;
    for (size_t i = 0; i < samples.rows(); ++i) {
      std::vector<double> row(&samples.values[i * samples.dim],
                              &samples.values[i * samples.dim] + samples.dim);
      map(row);
      values.insert(values.end(), row.begin(), row.end());
    }
    return measure(
        device(),
        make_samples(DType::kFloat64, samples.num_classes, samples.dim, values, samples.labels),
        nullptr);
  }

  ReportValues original() {
    return report([](std::vector<double>&) {});
  }

  // Numbers of `changed` over those of the original are 1, or what `factors` says.
  void expect_ratios(const ReportValues& changed, const std::map<std::string, double>& factors) {
    const ReportValues before = original();
    for (const auto& [path, value] : before.numbers()) {
      const auto factor = factors.find(path);
      const double expected = factor == factors.end() ? 1 : factor->second;
      if (expected == 0) continue;  // no promise
      if (value == 0) {
        EXPECT_EQ(changed.number(path), 0) << path;
      } else {
        EXPECT_NEAR(*changed.number(path) / value / expected, 1, 1e-9) << path;
      }
    }
  }
};
NCSCOPE_TEST_ON_DEVICES(Invariance);

TEST_P(Invariance, Rotation) {
  Random random(3);
  const std::vector<double> axis = random.normals(12);
  double square = 0;
  for (const double x : axis) square += x * x;
  expect_ratios(report([&](std::vector<double>& row) {
                  double along = 0;
                  for (size_t j = 0; j < row.size(); ++j) along += row[j] * axis[j];
                  for (size_t j = 0; j < row.size(); ++j) row[j] -= 2 * along / square * axis[j];
                }),
                {});
}

TEST_P(Invariance, Translation) {
  // Only what is said of uncentred features depends on the origin.
  expect_ratios(report([](std::vector<double>& row) {
                  for (size_t j = 0; j < row.size(); ++j) row[j] += static_cast<double>(j) - 3;
                }),
                {{"nc1.precision_floor", 0}, {"nc2.means.equinorm_raw", 0}});
}

// What numbers with units grow by where features do by `scale`.
std::map<std::string, double> with_units(double scale) {
  std::map<std::string, double> factors = {{"nc1.cdnv_fourth", 1 / scale / scale}};
  for (const char* path :
       {"nc1.within_trace", "nc1.between_trace", "nc1.total_trace", "nc1.cutoff"}) {
    factors[path] = scale * scale;
  }
  for (const std::string group : {"head", "mid", "tail"}) {
    factors["class_groups." + group + ".within_variance"] = scale * scale;
    factors["class_groups." + group + ".mean_norm"] = scale;
  }
  return factors;
}

TEST_P(Invariance, Scale) {
  expect_ratios(report([](std::vector<double>& row) {
                  for (double& x : row) x *= 3;
                }),
                with_units(3));
}

TEST_P(Invariance, ExtremeScalesDoNotOverflow) {
  for (const double scale : {1e-60, 1e60}) {
    expect_ratios(report([&](std::vector<double>& row) {
                    for (double& x : row) x *= scale;
                  }),
                  with_units(scale));
  }
}

}  // namespace
}  // namespace ncscope::test
