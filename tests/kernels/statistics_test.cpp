#include "kernels/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "kernels/errors.h"
#include "tests/support/oracle.h"
#include "tests/support/samples.h"

namespace ncscope::test {
namespace {

TEST(Statistics, EmptyHasAZeroScatterAndNoClasses) {
  const Statistics empty = Statistics::empty(7, 3, DType::kBFloat16);
  EXPECT_NO_THROW(empty.check());
  EXPECT_EQ(empty.present(), 0u);
  EXPECT_EQ(empty.scatter, std::vector<double>(9, 0.0));
  EXPECT_EQ(empty.input_type, DType::kBFloat16);
}

struct StateDamage {
  const char* message;
  std::function<void(Statistics&)> apply;
};

TEST(Statistics, CheckNamesWhatNoSamplesCanGive) {
  const Statistics good =
      oracle_statistics(make_clusters({.rows = 40, .dim = 3, .num_classes = 4}));
  ASSERT_NO_THROW(good.check());
  ASSERT_EQ(good.present(), 4u);
  const StateDamage damages[] = {
      {"expected K and d in [1, 2147483647]", [](Statistics& s) { s.num_classes = 0; }},
      {"expected K and d in [1, 2147483647]", [](Statistics& s) { s.dim = 0; }},
      {"expected counts of length 4, got 3", [](Statistics& s) { s.counts.pop_back(); }},
      {"expected within of length 4, got 5", [](Statistics& s) { s.within.push_back(0); }},
      {"expected means of length 12, got 11", [](Statistics& s) { s.means.pop_back(); }},
      {"expected scatter of length 9, got 10", [](Statistics& s) { s.scatter.push_back(0); }},
      {"expected classes below 3, got 3 at 3", [](Statistics& s) { s.num_classes = 3; }},
      {"expected ascending classes, got 0 at 1", [](Statistics& s) { s.classes[1] = 0; }},
      {"expected counts of at least 1, got 0 at 2", [](Statistics& s) { s.counts[2] = 0; }},
      {"expected counts that 64 bits can sum",
       [](Statistics& s) { s.counts[0] = s.counts[1] = UINT64_MAX; }},
      {"expected counts that sum to 41, got 40", [](Statistics& s) { s.samples = 41; }},
      {"expected sum_squares finite and >= 0, got -1", [](Statistics& s) { s.sum_squares = -1; }},
      {"expected within finite and >= 0, got -1e-09 at 1",
       [](Statistics& s) { s.within[1] = -1e-9; }},
      {"expected means finite, got nan at 5", [](Statistics& s) { s.means[5] = NAN; }},
      {"expected scatter finite, got inf at 1",
       [](Statistics& s) { s.scatter[1] = s.scatter[3] = INFINITY; }},
      {"expected means below 1.68499667e+66 in magnitude, got -1e+154 at 2",
       [](Statistics& s) { s.means[2] = -1e154; }},
      {"expected scatter below", [](Statistics& s) { s.scatter[0] = 1e300; }},
      {"expected scatter_resolution finite and >= 0, got -1",
       [](Statistics& s) { s.scatter_resolution = -1; }},
      {"expected scatter with a diagonal >= 0, got -2 at 1",
       [](Statistics& s) { s.scatter[4] = -2; }},
      {"expected a symmetric scatter, got two values at [0, 2]",
       [](Statistics& s) { s.scatter[2] += 1; }},
  };
  for (const StateDamage& damage : damages) {
    Statistics bad = good;
    damage.apply(bad);
    try {
      bad.check();
      ADD_FAILURE() << "passed: " << damage.message;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(std::string(error.what()).find("Statistics::check: "), 0u);
      EXPECT_NE(std::string(error.what()).find(damage.message), std::string::npos)
          << error.what() << " should say " << damage.message;
    }
  }
}

}  // namespace
}  // namespace ncscope::test
