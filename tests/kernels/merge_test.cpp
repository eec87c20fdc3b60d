#include <gtest/gtest.h>

#include "kernels/accumulator.h"
#include "kernels/errors.h"
#include "tests/support/devices.h"
#include "tests/support/oracle.h"
#include "tests/support/samples.h"
#include "tests/support/statistics_matchers.h"
#include "tests/support/tolerance.h"

namespace ncscope::test {
namespace {

class MergeTest : public DeviceTest {
 protected:
  Statistics part(const Samples& samples, size_t first, size_t count) {
    Accumulator accumulator(device(), samples.num_classes, samples.dim, samples.type);
    accumulator.add(device(), samples.batch(first, count));
    accumulator.add_dropped({.nonfinite = first, .ignored = count});
    return accumulator.finish(device());
  }
};

Samples merge_samples(DType type) {
  // 23 classes in 70 samples: parts lack classes that others have.
  return make_clusters({.rows = 70,
                        .dim = 13,
                        .num_classes = 23,
                        .type = type,
                        .within_std = 1e-3,
                        .offset = 4,
                        .seed = 9});
}

TEST_P(MergeTest, CommutesToTheBit) {
  const Samples samples = merge_samples(DType::kFloat32);
  const Statistics a = part(samples, 0, 41);
  const Statistics b = part(samples, 41, 29);
  expect_same_bits(merge(device(), a, b), merge(device(), b, a));
}

TEST_P(MergeTest, TheEmptyStateIsItsIdentity) {
  const Samples samples = merge_samples(DType::kFloat64);
  const Statistics a = part(samples, 0, 70);
  const Statistics empty = Statistics::empty(23, 13, DType::kFloat64);
  expect_same_bits(merge(device(), a, empty), a);
  expect_same_bits(merge(device(), empty, a), a);
  expect_same_bits(merge(device(), empty, empty), empty);
}

TEST_P(MergeTest, AssociatesUpToRounding) {
  const Samples samples = merge_samples(DType::kFloat64);
  const Statistics a = part(samples, 0, 20);
  const Statistics b = part(samples, 20, 30);
  const Statistics c = part(samples, 50, 20);
  expect_close(merge(device(), merge(device(), a, b), c), merge(device(), a, merge(device(), b, c)),
               tolerance::kDouble, tolerance::kDouble);
}

TEST_P(MergeTest, SevenPartsGiveTheWhole) {
  for (const DType type : {DType::kFloat64, DType::kFloat32}) {
    const Samples samples = merge_samples(type);
    Statistics merged = Statistics::empty(23, 13, type);
    for (size_t i = 0; i < 7; ++i) merged = merge(device(), merged, part(samples, 10 * i, 10));
    EXPECT_NO_THROW(merged.check());
    EXPECT_EQ(merged.ignored, 70u);
    EXPECT_EQ(merged.skipped_nonfinite, 10u + 20 + 30 + 40 + 50 + 60);
    const bool wide = type == DType::kFloat64;
    // Means near 4 carry an error of 1e-16 * 4, a part in 1e13 of the spread.
    expect_close(merged, oracle_statistics(samples), wide ? 1e-10 : tolerance::float_scatter(13),
                 wide ? 1e-10 : tolerance::float_scatter(13));
  }
}

TEST_P(MergeTest, KeepsMeansThatAreEqual) {
  Statistics a = Statistics::empty(1, 2, DType::kFloat32);
  a.samples = 3;
  a.classes = {0};
  a.counts = {3};
  a.means = {0.1, 1e8 + 0.3};
  a.within = {0.5};
  Statistics b = a;
  b.counts = {7};
  b.samples = 7;
  const Statistics merged = merge(device(), a, b);
  EXPECT_EQ(merged.means, a.means);
  EXPECT_EQ(merged.within, std::vector<double>{1.0});
  EXPECT_EQ(merged.scatter, std::vector<double>(4, 0.0));
}

TEST_P(MergeTest, KeepsTheCoarserType) {
  const Statistics half = Statistics::empty(2, 2, DType::kFloat16);
  const Statistics single = Statistics::empty(2, 2, DType::kFloat32);
  const Statistics brain = Statistics::empty(2, 2, DType::kBFloat16);
  EXPECT_EQ(merge(device(), half, single).input_type, DType::kFloat16);
  EXPECT_EQ(merge(device(), half, brain).input_type, DType::kBFloat16);

  Statistics wide = oracle_statistics(make_clusters({.rows = 9, .dim = 2, .num_classes = 2}));
  const Statistics narrow = wide;
  wide.product_type = DType::kFloat64;
  EXPECT_EQ(merge(device(), wide, wide).product_type, DType::kFloat64);
  EXPECT_EQ(merge(device(), wide, narrow).product_type, DType::kFloat32);
  EXPECT_EQ(merge(device(), narrow, wide).product_type, DType::kFloat32);
  EXPECT_EQ(merge(device(), single, wide).product_type,
            DType::kFloat64);  // `single` has no samples
}

TEST_P(MergeTest, RefusesOtherShapes) {
  const Statistics a = Statistics::empty(2, 3, DType::kFloat32);
  EXPECT_THROW(merge(device(), a, Statistics::empty(3, 3, DType::kFloat32)), InvalidArgument);
  EXPECT_THROW(merge(device(), a, Statistics::empty(2, 4, DType::kFloat32)), InvalidArgument);
}

NCSCOPE_TEST_ON_DEVICES(MergeTest);

}  // namespace
}  // namespace ncscope::test
