// What goes on while calls have returned: copies, kernels, and sums that change hands. The card
// takes its streams in another order for every seed, bound by events alone.
#include <cstring>

#include "tests/kernels/cuda/host_card.h"
#include "tests/support/random.h"
#include "tests/support/statistics_matchers.h"

namespace ncscope::cuda {
namespace {

using test::expect_same_bits;
using test::make_clusters;
using test::Samples;

constexpr uint64_t kSeeds = 25;

Samples some_samples() {
  return make_clusters({.rows = 5000, .dim = 12, .num_classes = 9, .within_std = 0.2, .seed = 3});
}

// Memory of the host that is used again before its copy is done is a finding.
class StreamsTest : public HostCardTest {
 protected:
  void SetUp() override { simt::set_copies(simt::Copies::kLate); }
  void TearDown() override {
    HostCardTest::TearDown();
    simt::set_copies(simt::Copies::kStaged);
  }
};

TEST_F(StreamsTest, SumsMayChangeDevicesBetweenAnyTwoBatches) {
  const Samples samples = some_samples();
  const auto one = make();
  const auto two = make();
  const Statistics expected = accumulate(*one, samples, 700);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    simt::set_order(simt::Order::kRandom, seed);
    test::Random random(seed);
    const auto any = [&]() -> Device& { return random.below(2) == 0 ? *one : *two; };
    Accumulator accumulator(any(), samples.num_classes, samples.dim, samples.type);
    for (size_t first = 0; first < samples.rows();) {
      const size_t count = std::min(1 + random.below(900), samples.rows() - first);
      accumulator.add(any(), samples.batch(first, count));
      first += count;
    }
    expect_same_bits(accumulator.finish(any()), expected);
  }
}

// Nothing waits in a tile: what is under way is all there is to wait for.
TEST_F(StreamsTest, AnotherDeviceFinishesWhatEndsWithAFullTile) {
  const Samples samples = make_clusters(
      {.rows = 2 * kTileRows, .dim = 12, .num_classes = 9, .within_std = 0.2, .seed = 3});
  const auto one = make();
  const auto two = make();
  const Statistics expected = accumulate(*one, samples, kTileRows);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    simt::set_order(simt::Order::kRandom, seed);
    Accumulator accumulator(*one, samples.num_classes, samples.dim, samples.type);
    accumulator.add(*one, samples.batch());
    expect_same_bits(accumulator.finish(*two), expected);
  }
}

TEST_F(StreamsTest, AnotherDeviceSavesWhatIsUnderWay) {
  const Samples samples = some_samples();
  const auto one = make();
  const auto two = make();
  const Statistics expected = accumulate(*one, samples, 700);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    simt::set_order(simt::Order::kRandom, seed);
    Accumulator first(*one, samples.num_classes, samples.dim, samples.type);
    first.add(*one, samples.batch(0, 4200));
    std::vector<std::byte> image;
    first.save([&](const auto& work) { work(*two); },
               [&](std::span<const std::byte> piece) {
                 image.insert(image.end(), piece.begin(), piece.end());
               });
    Accumulator second(*two, samples.num_classes, samples.dim, samples.type);
    const std::byte* next = image.data();
    second.load(*two, image.size(), [&](void* out, size_t bytes) {
      std::memcpy(out, next, bytes);
      next += bytes;
    });
    second.add(*one, samples.batch(4200, 800));
    expect_same_bits(second.finish(*two), expected);
  }
}

TEST_F(StreamsTest, ABatchIsTheCallersAgainWhenAddReturns) {
  const Samples samples = some_samples();
  const auto device = make();
  const Statistics expected = accumulate(*device, samples, 1024);
  const size_t row_bytes = samples.bytes.size() / samples.rows();
  for (const bool pinned : {false, true}) {
    // Memory that the card reads by itself, or that is copied to such first.
    PinnedMemory memory = allocate_pinned(1024 * row_bytes);
    std::vector<std::byte> pageable(1024 * row_bytes);
    std::byte* const bytes = pinned ? static_cast<std::byte*>(memory.get()) : pageable.data();
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      simt::set_order(simt::Order::kRandom, seed);
      Accumulator accumulator(*device, samples.num_classes, samples.dim, samples.type);
      for (size_t first = 0; first < samples.rows(); first += 1024) {
        Batch batch = samples.batch(first, std::min<size_t>(1024, samples.rows() - first));
        std::memcpy(bytes, batch.features, batch.rows * row_bytes);
        std::vector<int32_t> labels(batch.labels, batch.labels + batch.rows);
        batch.features = bytes;
        batch.labels = labels.data();
        accumulator.add(*device, batch);
        std::memset(bytes, 0xff, batch.rows * row_bytes);  // NaN
        std::fill(labels.begin(), labels.end(), 0);
      }
      expect_same_bits(accumulator.finish(*device), expected);
    }
  }
}

// Few runs of rows are copied one by one from where they are, many are gathered first.
TEST_F(StreamsTest, DroppedRowsStayBehind) {
  const Samples samples = some_samples();
  const auto device = make();
  PinnedMemory memory = allocate_pinned(samples.bytes.size());
  std::memcpy(memory.get(), samples.bytes.data(), samples.bytes.size());
  for (const size_t every : {2, 3, 50, 701}) {
    std::vector<int32_t> labels = samples.labels;
    std::vector<double> kept;
    std::vector<int32_t> kept_labels;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (i % every == every / 2) {
        labels[i] = kDroppedRow;
        continue;
      }
      const double* const row = samples.values.data() + i * samples.dim;
      kept.insert(kept.end(), row, row + samples.dim);
      kept_labels.push_back(labels[i]);
    }
    const Statistics expected = accumulate(
        *device,
        test::make_samples(samples.type, samples.num_classes, samples.dim, kept, kept_labels), 700);
    for (const void* const features :
         {static_cast<const void*>(samples.bytes.data()), static_cast<const void*>(memory.get())}) {
      Accumulator accumulator(*device, samples.num_classes, samples.dim, samples.type);
      Batch batch = samples.batch();
      batch.features = features;
      batch.labels = labels.data();
      accumulator.add(*device, batch);
      expect_same_bits(accumulator.finish(*device), expected);
    }
  }
}

// The host runs ahead of the card by more tiles than there are plans.
TEST_F(StreamsTest, OnePinnedBatchOfManyTiles) {
  const Samples samples =
      make_clusters({.rows = 10 * kTileRows + 5, .dim = 2, .num_classes = 40, .seed = 3});
  const auto device = make();
  const Statistics expected = accumulate(*device, samples, kTileRows / 2);
  PinnedMemory memory = allocate_pinned(samples.bytes.size());
  std::memcpy(memory.get(), samples.bytes.data(), samples.bytes.size());
  for (uint64_t seed = 0; seed < 3; ++seed) {
    simt::set_order(simt::Order::kRandom, seed);
    Accumulator accumulator(*device, samples.num_classes, samples.dim, samples.type);
    Batch batch = samples.batch();
    batch.features = memory.get();
    accumulator.add(*device, batch);
    expect_same_bits(accumulator.finish(*device), expected);
  }
}

TEST_F(StreamsTest, DecisionsDoNotDependOnTheOrderOfStreams) {
  const Samples samples = make_clusters({.rows = 1500, .dim = 12, .num_classes = 9, .seed = 3});
  const auto device = make();
  test::Random random(1);
  const std::vector<double> rows = random.normals(9 * samples.dim);
  const std::vector<double> offset = random.normals(9);
  const DeviceMatrix device_rows = device->upload({rows.data(), 9, samples.dim});
  const AffineScores scores = {device_rows, {}, offset};
  const std::vector<int32_t> expected = device->argmax_affine(samples.batch(), scores);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    simt::set_order(simt::Order::kRandom, seed);
    ASSERT_EQ(device->argmax_affine(samples.batch(), scores), expected) << seed;
  }
}

TEST_F(StreamsTest, SumsOutliveTheDeviceThatMadeThem) {
  const Samples samples = some_samples();
  const auto second = make();
  const Statistics expected = accumulate(*second, samples, 5000);
  auto first = make();
  Accumulator accumulator(*first, samples.num_classes, samples.dim, samples.type);
  accumulator.add(*first, samples.batch());
  first.reset();
  expect_same_bits(accumulator.finish(*second), expected);
}

}  // namespace
}  // namespace ncscope::cuda
