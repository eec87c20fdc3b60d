#include "kernels/jackknife.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "kernels/accumulator.h"
#include "kernels/errors.h"
#include "tests/kernels/metrics/compare.h"
#include "tests/support/devices.h"
#include "tests/support/samples.h"

namespace ncscope::test {
namespace {

constexpr std::array<const char*, 3> kJackknifed{"nc1.pinv", "nc1.quotient", "nc1.cdnv"};

class Jackknife : public DeviceTest {
 protected:
  Statistics state(const Samples& samples, size_t first, size_t count) {
    Accumulator accumulator(device(), samples.num_classes, samples.dim, samples.type);
    if (count > 0) accumulator.add(device(), samples.batch(first, count));
    return accumulator.finish(device());
  }

  // Neighbouring rows, so many in each group.
  std::vector<Statistics> groups_of(const Samples& samples, const std::vector<size_t>& sizes) {
    std::vector<Statistics> groups;
    size_t first = 0;
    for (const size_t size : sizes) {
      groups.push_back(state(samples, first, size));
      first += size;
    }
    return groups;
  }

  ReportValues with_errors(const Samples& samples, const std::vector<Statistics>& groups) {
    ReportValues report =
        compute_report(device(), state(samples, 0, samples.rows()), nullptr, nullptr, {});
    add_standard_errors(device(), groups, {}, report);
    return report;
  }

  // A metric of all samples but rows [first, first + count).
  double without(const Samples& samples, size_t first, size_t count, const char* metric) {
    const size_t after = first + count;
    const Statistics others =
        merge(device(), state(samples, 0, first), state(samples, after, samples.rows() - after));
    return *compute_report(device(), others, nullptr, nullptr, {}).number(metric);
  }
};
NCSCOPE_TEST_ON_DEVICES(Jackknife);

Samples jackknife_samples(size_t rows, uint64_t seed, double within_std = 0.5) {
  return make_clusters({.rows = rows,
                        .dim = 6,
                        .num_classes = 4,
                        .type = DType::kFloat64,
                        .within_std = within_std,
                        .seed = seed});
}

// sqrt((g - 1) / g sum_j (t_(j) - mean)^2).
TEST_P(Jackknife, OfGroupsOfOneSizeIsTheTextbooks) {
  const Samples samples = jackknife_samples(400, 3);
  const ReportValues report = with_errors(samples, groups_of(samples, std::vector<size_t>(10, 40)));
  EXPECT_EQ(report.number("nc1.jackknife_groups"), 10);
  for (const char* metric : kJackknifed) {
    std::vector<double> left_out;
    for (size_t j = 0; j < 10; ++j) left_out.push_back(without(samples, 40 * j, 40, metric));
    const double mean = std::accumulate(left_out.begin(), left_out.end(), 0.0) / 10;
    double squares = 0;
    for (const double value : left_out) squares += (value - mean) * (value - mean);
    const double expected = std::sqrt(0.9 * squares);
    EXPECT_NEAR(*report.number(std::string(metric) + "_standard_error"), expected, 1e-9 * expected);
  }
}

// Pseudo-values, as they are written down for groups that differ.
TEST_P(Jackknife, OfGroupsOfManySizes) {
  const std::vector<size_t> sizes = {20, 60, 40, 40, 30, 50, 45, 35, 80};
  const Samples samples = jackknife_samples(400, 4);
  const ReportValues report = with_errors(samples, groups_of(samples, sizes));
  for (const char* metric : kJackknifed) {
    const double whole = *report.number(metric);
    double centre = 9 * whole;
    std::vector<double> h, left_out;
    size_t first = 0;
    for (const size_t size : sizes) {
      left_out.push_back(without(samples, first, size, metric));
      h.push_back(400.0 / static_cast<double>(size));
      centre -= (1 - static_cast<double>(size) / 400) * left_out.back();
      first += size;
    }
    double variance = 0;
    for (size_t j = 0; j < 9; ++j) {
      const double pseudo = h[j] * whole - (h[j] - 1) * left_out[j];
      variance += (pseudo - centre) * (pseudo - centre) / (h[j] - 1) / 9;
    }
    const double expected = std::sqrt(variance);
    EXPECT_NEAR(*report.number(std::string(metric) + "_standard_error"), expected, 1e-8 * expected);
  }
}

// Of hundreds of reports: on the processor alone.
class JackknifeSpread : public Jackknife {};
INSTANTIATE_TEST_SUITE_P(Devices, JackknifeSpread, ::testing::Values("cpu"),
                         [](const auto& info) { return info.param; });

// What it is for: over data sets drawn anew, metrics spread about as much as it says.
TEST_P(JackknifeSpread, IsWhatStandardErrorsSay) {
  constexpr size_t kSets = 40;
  constexpr size_t kRows = 640;
  // One distribution: the clusters are drawn once, sets are rows of them.
  const Samples all = jackknife_samples(kSets * kRows, 5, 0.1);
  for (const char* metric : kJackknifed) {
    std::vector<double> values;
    double stated = 0;
    for (size_t set = 0; set < kSets; ++set) {
      const Samples samples =
          make_samples(DType::kFloat64, 4, 6,
                       {all.values.begin() + static_cast<ptrdiff_t>(set * kRows * 6),
                        all.values.begin() + static_cast<ptrdiff_t>((set + 1) * kRows * 6)},
                       {all.labels.begin() + static_cast<ptrdiff_t>(set * kRows),
                        all.labels.begin() + static_cast<ptrdiff_t>((set + 1) * kRows)});
      const ReportValues report =
          with_errors(samples, groups_of(samples, std::vector<size_t>(16, 40)));
      values.push_back(*report.number(metric));
      const double error = *report.number(std::string(metric) + "_standard_error");
      stated += error * error / kSets;
    }
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / kSets;
    double variance = 0;
    for (const double value : values) variance += (value - mean) * (value - mean) / (kSets - 1);
    // Both are estimates: of 40 sets the spread is known to about 11 %.
    EXPECT_NEAR(std::sqrt(stated / variance), 1, 0.35) << metric;
  }
}

TEST_P(Jackknife, LeavesGroupsWithoutSamplesOut) {
  const Samples samples = jackknife_samples(400, 6);
  const std::vector<size_t> filled(8, 50);
  std::vector<size_t> gaps = filled;
  gaps.insert(gaps.begin() + 3, 0);
  expect_same(with_errors(samples, groups_of(samples, gaps)),
              with_errors(samples, groups_of(samples, filled)), 1e-12);
}

TEST_P(Jackknife, NeedsEightParts) {
  const Samples samples = jackknife_samples(70, 7);
  const ReportValues report = with_errors(samples, groups_of(samples, std::vector<size_t>(7, 10)));
  for (const char* metric : kJackknifed) {
    EXPECT_TRUE(undefined_because(report, std::string(metric) + "_standard_error",
                                  "at least 8 parts, got 7"));
  }
}

TEST_P(Jackknife, NamesAClassThatOneGroupHasAlone) {
  Samples samples = jackknife_samples(80, 8);
  std::ranges::replace(samples.labels, 2, 1);
  samples.labels[33] = 2;
  const ReportValues report = with_errors(samples, groups_of(samples, std::vector<size_t>(8, 10)));
  EXPECT_TRUE(undefined_because(report, "nc1.pinv_standard_error",
                                "class 2 is in one of the 8 groups only"));
}

TEST_P(Jackknife, WarnsWhereGroupsAreUnlike) {
  Samples samples = jackknife_samples(800, 10);
  const auto warned = [&] {
    const ReportValues report =
        with_errors(samples, groups_of(samples, std::vector<size_t>(8, 100)));
    return std::ranges::any_of(
        report.warnings(), [](const Warning& warning) { return warning.code == "unlike_groups"; });
  };
  EXPECT_FALSE(warned());
  std::ranges::replace(samples.labels, 2, 1);
  std::fill_n(samples.labels.begin() + 200, 90, 2);
  std::fill_n(samples.labels.begin() + 700, 10, 2);
  EXPECT_TRUE(warned());
}

TEST_P(Jackknife, OfWhatHasNoValueIsUndefined) {
  // Two classes, at one place.
  std::vector<double> values;
  std::vector<int32_t> labels;
  for (int i = 0; i < 32; ++i) {
    labels.push_back(i % 2);
    values.push_back(i % 4 < 2 ? 1 : -1);
  }
  const Samples samples = make_samples(DType::kFloat64, 2, 1, values, labels);
  const ReportValues report = with_errors(samples, groups_of(samples, std::vector<size_t>(8, 4)));
  EXPECT_TRUE(undefined_because(report, "nc1.cdnv_standard_error", "nc1.cdnv has no value"));
}

TEST_P(Jackknife, RefusesOtherShapes) {
  const Samples samples = jackknife_samples(80, 9);
  std::vector<Statistics> groups = groups_of(samples, std::vector<size_t>(8, 10));
  groups[5] = state(make_clusters({.rows = 10, .dim = 5, .num_classes = 4}), 0, 10);
  ReportValues report;
  EXPECT_THROW(add_standard_errors(device(), groups, {}, report), InvalidArgument);
}

TEST(JackknifeGroups, AreNeighboursOfAboutOneSize) {
  for (const size_t parts : {1, 8, 15, 16, 17, 40, 1000}) {
    std::vector<size_t> sizes(jackknife_groups(parts));
    for (size_t part = 0; part < parts; ++part) ++sizes.at(jackknife_group(part, parts));
    const auto [least, most] = std::ranges::minmax(sizes);
    EXPECT_GE(least, 1u);
    EXPECT_LE(most - least, 1u) << parts;
  }
}

}  // namespace
}  // namespace ncscope::test
