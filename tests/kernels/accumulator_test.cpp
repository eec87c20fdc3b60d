#include "kernels/accumulator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <optional>
#include <span>

#include "kernels/errors.h"
#include "tests/support/devices.h"
#include "tests/support/failing_device.h"
#include "tests/support/oracle.h"
#include "tests/support/random.h"
#include "tests/support/samples.h"
#include "tests/support/statistics_matchers.h"
#include "tests/support/tolerance.h"
#include "tests/support/wire.h"

namespace ncscope::test {
namespace {

class AccumulatorTest : public DeviceTest {
 protected:
  // Adds all rows in batches of the sizes given, repeated.
  Statistics accumulate(const Samples& samples, const std::vector<size_t>& sizes) {
    Accumulator accumulator(device(), samples.num_classes, samples.dim, samples.type);
    size_t first = 0;
    for (size_t i = 0; first < samples.rows(); ++i) {
      const size_t count = std::min(sizes[i % sizes.size()], samples.rows() - first);
      accumulator.add(device(), samples.batch(first, count));
      first += count;
    }
    return accumulator.finish(device());
  }
  Statistics accumulate(const Samples& samples) { return accumulate(samples, {samples.rows()}); }
};

double trace_of(const std::vector<double>& matrix, size_t d) {
  double sum = 0;
  for (size_t j = 0; j < d; ++j) sum += matrix[j * d + j];
  return sum;
}

// u^T A u.
double quadratic_form(const std::vector<double>& matrix, const std::vector<double>& u) {
  const size_t d = u.size();
  double sum = 0;
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j < d; ++j) sum += u[i] * matrix[i * d + j] * u[j];
  }
  return sum;
}

TEST_P(AccumulatorTest, CollapsedClassesFarFromTheOriginLoseNoAccuracy) {
  for (const double offset : {0.0, 1.0, 10.0}) {
    for (const double within_std : {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}) {
      SCOPED_TRACE(testing::Message() << "offset " << offset << ", std " << within_std);
      const Samples samples = make_clusters({.rows = 5000,
                                             .dim = 48,
                                             .num_classes = 10,
                                             .within_std = within_std,
                                             .offset = offset,
                                             .seed = 11});
      const Statistics expected = oracle_statistics(samples);
      const Statistics got = accumulate(samples, {256});
      EXPECT_NEAR(trace_of(got.scatter, 48) / trace_of(expected.scatter, 48), 1, 1e-10);
      EXPECT_LE(relative_error(got.within, expected.within), 1e-10);
      Random random(5);
      for (int i = 0; i < 5; ++i) {
        const std::vector<double> u = random.normals(48);
        EXPECT_NEAR(quadratic_form(got.scatter, u) / quadratic_form(expected.scatter, u), 1, 1e-6);
      }
    }
  }
}

// One wrong label in the data, and it is the first of its class: a class mean apart from the rest.
TEST_P(AccumulatorTest, AFirstSampleThatIsAnOutlierCostsNoAccuracy) {
  const size_t d = 32;
  for (const double within_std : {1e-2, 1e-3}) {
    Samples samples = make_clusters(
        {.rows = 6000, .dim = d, .num_classes = 10, .within_std = within_std, .seed = 3});
    const int32_t other = samples.labels[0];
    samples.labels[0] = (other + 1) % 10;
    const Statistics got = accumulate(samples, {128});
    const Statistics expected = oracle_statistics(samples);
    // Along the differences of class means, as nc1.pinv looks at it.
    std::vector<double> u(d);
    for (size_t c = 1; c < 10; ++c) {
      for (size_t j = 0; j < d; ++j) u[j] = expected.means[c * d + j] - expected.means[j];
      EXPECT_NEAR(quadratic_form(got.scatter, u) / quadratic_form(expected.scatter, u), 1, 1e-5)
          << within_std;
    }
  }
}

// Squares of small integers are 0 or 1 modulo 4, which rounding to float32 takes down every time.
TEST_P(AccumulatorTest, ValuesOnACoarseGridAreNotRoundedDown) {
  for (const DType type : {DType::kFloat16, DType::kBFloat16}) {
    const Samples samples = make_clusters({.rows = 6000,
                                           .dim = 8,
                                           .num_classes = 3,
                                           .type = type,
                                           .within_std = 0.3,
                                           .offset = 3,
                                           .seed = 1});
    const Statistics got = accumulate(samples);
    const Statistics expected = oracle_statistics(samples);
    EXPECT_NEAR(trace_of(got.scatter, 8) / trace_of(expected.scatter, 8), 1, tolerance::kDouble);
    EXPECT_LE(relative_error(got.scatter, expected.scatter), 2e-7);
  }
}

struct SampleShape {
  size_t rows, dim, num_classes;
};

TEST_P(AccumulatorTest, EveryTypeAndShapeMatchesTheOracle) {
  const SampleShape shapes[] = {{1, 1, 1},    {3, 2, 2},     {700, 1, 5},
                                {33, 65, 3},  {40, 129, 30}, {2 * kTileRows + 77, 67, 11},
                                {300, 601, 4}};
  for (const DType type : {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    for (const SampleShape& shape : shapes) {
      SCOPED_TRACE(testing::Message() << dtype_name(type) << ", " << shape.rows << " rows of "
                                      << shape.dim << ", K " << shape.num_classes);
      const Samples samples = make_clusters({.rows = shape.rows,
                                             .dim = shape.dim,
                                             .num_classes = shape.num_classes,
                                             .type = type,
                                             .within_std = 0.3,
                                             .offset = 0.5,
                                             .seed = 3});
      const bool wide = type == DType::kFloat64;
      const Statistics got = accumulate(samples, {100, 1, 77});
      expect_close(got, oracle_statistics(samples),
                   wide ? tolerance::kDouble : tolerance::float_scatter(shape.dim),
                   tolerance::kDouble);
      EXPECT_EQ(got.input_type, type);
      EXPECT_NO_THROW(got.check());
    }
  }
}

TEST_P(AccumulatorTest, CuttingIntoBatchesDoesNotChangeABit) {
  for (const DType type : {DType::kFloat32, DType::kBFloat16, DType::kFloat64}) {
    const Samples samples = make_clusters({.rows = 2 * kTileRows + 100,
                                           .dim = 83,
                                           .num_classes = 7,
                                           .type = type,
                                           .within_std = 0.1,
                                           .seed = 8});
    const Statistics whole = accumulate(samples);
    expect_same_bits(accumulate(samples), whole);
    expect_same_bits(accumulate(samples, {1, 500, 13}), whole);
    expect_same_bits(accumulate(samples, {kTileRows}), whole);
    expect_same_bits(accumulate(samples, {kTileRows - 1, 2}), whole);
  }
}

TEST_P(AccumulatorTest, ManyThreadsGiveTheBitsOfOne) {
  const Samples samples =
      make_clusters({.rows = 3000, .dim = 1100, .num_classes = 40, .within_std = 0.1, .seed = 8});
  const auto reference = find_device("cpu_threads_3");
  Accumulator accumulator(*reference, samples.num_classes, samples.dim, samples.type);
  accumulator.add(*reference, samples.batch());
  if (device().info().backend != "cpu") GTEST_SKIP() << "bits of one kind of device";
  expect_same_bits(accumulate(samples, {512}), accumulator.finish(*reference));
}

// Each row its own class, so that its mean is what was read: every finite value of both 16-bit
// types that admission takes.
TEST_P(AccumulatorTest, ReadsEverySixteenBitValue) {
  for (const DType type : {DType::kFloat16, DType::kBFloat16}) {
    std::vector<double> values;
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      const auto word = static_cast<uint16_t>(bits);
      const double value = decode(type, std::as_bytes(std::span(&word, 1)))[0];
      if (std::isfinite(value) && std::fabs(value) < 0x1p126) values.push_back(value);
    }
    const size_t d = 17;  // two vectors and one value alone
    values.resize(values.size() / d * d);
    std::vector<int32_t> labels(values.size() / d);
    std::iota(labels.begin(), labels.end(), 0);
    const Samples samples = make_samples(type, labels.size(), d, values, labels);
    EXPECT_EQ(samples.values, values);
    EXPECT_EQ(accumulate(samples).means, values) << dtype_name(type);
  }
}

// Squares of these are beyond what float32 holds, above or below.
TEST_P(AccumulatorTest, LargeAndSmallFeaturesLoseNoAccuracy) {
  const Samples plain =
      make_clusters({.rows = 3000, .dim = 21, .num_classes = 4, .within_std = 0.3, .seed = 7});
  for (const DType type : {DType::kFloat32, DType::kBFloat16}) {
    for (const double scale : {0x1p-118, 0x1p-70, 0x1p70, 0x1p121}) {
      SCOPED_TRACE(testing::Message() << dtype_name(type) << ", " << scale);
      std::vector<double> values = plain.values;
      for (double& x : values) x *= scale;
      const Samples samples = make_samples(type, 4, 21, values, plain.labels);
      const Statistics expected = oracle_statistics(samples);
      const Statistics got = accumulate(samples, {256});
      EXPECT_NO_THROW(got.check());
      EXPECT_LE(relative_error(got.scatter, expected.scatter), 1e-6);
      EXPECT_LE(relative_error(got.within, expected.within), 1e-10);
      EXPECT_LE(relative_error(got.means, expected.means), tolerance::kDouble);
    }
  }
}

// With math fp64 nothing is left of float32 but the samples themselves.
TEST_P(AccumulatorTest, MathFp64KeepsEveryProductInFloat64) {
  const auto device = find_device(GetParam(), Math::kFloat64);
  ASSERT_TRUE(device);
  EXPECT_EQ(device->info().math, "fp64");
  for (const DType type : {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    SCOPED_TRACE(dtype_name(type));
    const Samples samples = make_clusters({.rows = 2500,
                                           .dim = 33,
                                           .num_classes = 7,
                                           .type = type,
                                           .within_std = 0.2,
                                           .offset = 3,
                                           .seed = 11});
    Accumulator accumulator(*device, samples.num_classes, samples.dim, samples.type);
    for (size_t first = 0; first < samples.rows(); first += 700) {
      accumulator.add(*device, samples.batch(first, std::min<size_t>(700, samples.rows() - first)));
    }
    const Statistics got = accumulator.finish(*device);
    expect_close(got, oracle_statistics(samples), tolerance::kDouble, tolerance::kDouble);
    EXPECT_LE(got.scatter_resolution, 1e-15 * trace_of(got.scatter, samples.dim));
  }
}

TEST_P(AccumulatorTest, FinishMayBeTriedAgainWhereMemoryRanOut) {
  if (device().info().backend != "cpu") GTEST_SKIP() << "allocations of the CPU are counted";
  const Samples samples =
      make_clusters({.rows = 3000, .dim = 30, .num_classes = 20, .within_std = 0.1, .seed = 8});
  AllocationLimit limit;
  FailingDevice failing(find_device("cpu"), limit);
  Accumulator accumulator(failing, samples.num_classes, samples.dim, samples.type);
  accumulator.add(failing, samples.batch());
  long failures = 0;
  std::optional<Statistics> got;
  for (; !got && failures < 100; ++failures) {
    limit.left = failures;
    try {
      got = accumulator.finish(failing);
    } catch (const OutOfMemory&) {
    }
  }
  EXPECT_GT(failures, 1);
  ASSERT_TRUE(got);
  expect_same_bits(*got, accumulate(samples));
}

TEST_P(AccumulatorTest, SingletonsHaveNoSpreadAtAll) {
  const size_t k = 50;
  std::vector<int32_t> labels;
  for (size_t c = 0; c < k; c += 2) labels.push_back(static_cast<int32_t>(c));
  Random random(2);
  const Samples samples =
      make_samples(DType::kFloat32, k, 20, random.normals(labels.size() * 20), labels);
  const Statistics got = accumulate(samples);
  EXPECT_EQ(got.present(), 25u);
  EXPECT_EQ(got.within, std::vector<double>(25, 0.0));
  EXPECT_EQ(got.scatter, std::vector<double>(400, 0.0));
  EXPECT_EQ(got.means, samples.values);
}

TEST_P(AccumulatorTest, EqualFeaturesHaveNoSpreadAtAll) {
  const Samples samples = make_samples(DType::kFloat32, 3, 5, std::vector<double>(5000, 12345.678),
                                       std::vector<int32_t>(1000, 1));
  const Statistics got = accumulate(samples, {64});
  EXPECT_EQ(got.classes, std::vector<uint32_t>{1});
  EXPECT_EQ(got.within, std::vector<double>{0.0});
  EXPECT_EQ(got.scatter, std::vector<double>(25, 0.0));
  EXPECT_EQ(got.means, std::vector<double>(5, double{12345.678f}));
}

TEST_P(AccumulatorTest, DroppedRowsLeaveNoTrace) {
  Samples samples = make_clusters({.rows = 500, .dim = 9, .num_classes = 4, .seed = 6});
  Samples kept = samples;
  kept.bytes.clear();
  kept.labels.clear();
  for (size_t i = 0; i < samples.rows(); ++i) {
    if (i % 3 == 0 || i > 490) {
      samples.labels[i] = kDroppedRow;
      continue;
    }
    kept.labels.push_back(samples.labels[i]);
    kept.bytes.insert(kept.bytes.end(), samples.bytes.begin() + i * 36,
                      samples.bytes.begin() + (i + 1) * 36);
  }
  expect_same_bits(accumulate(samples, {10}), accumulate(kept));
}

TEST_P(AccumulatorTest, CountsWhatWasDropped) {
  Accumulator accumulator(device(), 2, 3, DType::kFloat32);
  accumulator.add_dropped({.nonfinite = 2, .ignored = 5});
  accumulator.add_dropped({.nonfinite = 1, .ignored = 0});
  const Statistics got = accumulator.finish(device());
  EXPECT_EQ(got.skipped_nonfinite, 3u);
  EXPECT_EQ(got.ignored, 5u);
  EXPECT_EQ(got.samples, 0u);
  EXPECT_EQ(got.present(), 0u);
  EXPECT_EQ(got.scatter, std::vector<double>(9, 0.0));
}

TEST_P(AccumulatorTest, AnEarlierBatchSurvivesOneThatIsRefused) {
  const Samples samples = make_clusters({.rows = 90, .dim = 6, .num_classes = 3, .seed = 4});
  Accumulator accumulator(device(), 3, 6, DType::kFloat32);
  accumulator.add(device(), samples.batch(0, 50));
  Samples wrong = samples;
  wrong.labels[60] = 3;
  EXPECT_THROW(accumulator.add(device(), wrong.batch(50, 40)), InvalidArgument);
  EXPECT_EQ(accumulator.samples(), 50u);
  accumulator.add(device(), samples.batch(50, 40));
  expect_same_bits(accumulator.finish(device()), accumulate(samples));
}

TEST_P(AccumulatorTest, RefusesShapesAndTypesThatDoNotFit) {
  EXPECT_THROW(Accumulator(device(), 0, 3, DType::kFloat32), InvalidArgument);
  EXPECT_THROW(Accumulator(device(), 3, 0, DType::kFloat32), InvalidArgument);
  const Samples samples = make_clusters({.rows = 5, .dim = 6, .num_classes = 3});
  Accumulator narrow(device(), 3, 5, DType::kFloat32);
  EXPECT_THROW(narrow.add(device(), samples.batch()), InvalidArgument);
  Accumulator half(device(), 3, 6, DType::kFloat16);
  EXPECT_THROW(half.add(device(), samples.batch()), InvalidArgument);
}

TEST_P(AccumulatorTest, SaysHowMuchMemoryItTakes) {
  EXPECT_EQ(Accumulator::bytes_needed(10, 100, DType::kBFloat16),
            10 * 100 * 12 + 80 + 800 + 8 + 8 * 10000 + 4 * (10000 + kTileRows * 100));
  EXPECT_EQ(Accumulator::bytes_needed(10, 100, DType::kFloat64),
            10 * 100 * 16 + 80 + 800 + 8 + 8 * 10000 + 8 * kTileRows * 100);
  EXPECT_EQ(Accumulator::bytes_needed(10, 100, DType::kBFloat16, Math::kFloat64),
            Accumulator::bytes_needed(10, 100, DType::kFloat64));
  EXPECT_THROW(Accumulator::bytes_needed(SIZE_MAX / 2, 100, DType::kFloat32), OutOfMemory);
}

NCSCOPE_TEST_ON_DEVICES(AccumulatorTest);

}  // namespace
}  // namespace ncscope::test
