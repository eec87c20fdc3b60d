// An accumulator that goes on from an image of itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/accumulator.h"
#include "kernels/errors.h"
#include "tests/support/devices.h"
#include "tests/support/samples.h"
#include "tests/support/statistics_matchers.h"

namespace ncscope::test {
namespace {

using ::testing::HasSubstr;

class AccumulatorImage : public DeviceTest {
 protected:
  static Accumulator make(Device& device, const Samples& samples) {
    return {device, samples.num_classes, samples.dim, samples.type};
  }
  std::vector<std::byte> image_of(Accumulator& accumulator) {
    std::vector<std::byte> image;
    accumulator.save([&](const auto& work) { work(device()); },
                     [&](std::span<const std::byte> piece) {
                       image.insert(image.end(), piece.begin(), piece.end());
                     });
    EXPECT_EQ(image.size(), accumulator.image_bytes());
    return image;
  }
  static void load(Accumulator& accumulator, Device& device, std::span<const std::byte> image) {
    accumulator.load(device, image.size(), [&](void* out, size_t bytes) {
      std::memcpy(out, image.data(), bytes);
      image = image.subspan(bytes);
    });
  }
  static std::string refusal(Accumulator& accumulator, Device& device,
                             std::span<const std::byte> image) {
    try {
      load(accumulator, device, image);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  }
};

// Class 7 of 9 never comes, 8 at the end only; rows wait in the tile, some of them for a reference.
Samples samples_of(DType type) {
  Samples samples = make_clusters(
      {.rows = 5000, .dim = 6, .num_classes = 9, .type = type, .within_std = 0.1, .seed = 8});
  for (size_t i = 0; i < samples.rows(); ++i) {
    if (samples.labels[i] >= 7) samples.labels[i] = i > 4500 ? 8 : kDroppedRow;
  }
  return samples;
}

TEST_P(AccumulatorImage, GoesOnToTheSameBits) {
  for (const DType type : {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    const Samples samples = samples_of(type);
    Accumulator whole = make(device(), samples);
    whole.add(device(), samples.batch());
    whole.add_dropped({3, 4});
    const Statistics expected = whole.finish(device());
    for (const size_t cut : {0u, 1u, 100u, 2048u, 2500u, 4999u, 5000u}) {
      SCOPED_TRACE(testing::Message() << dtype_name(type) << ", " << cut << " rows");
      Accumulator first = make(device(), samples);
      first.add(device(), samples.batch(0, cut));
      first.add_dropped({1, 4});
      Accumulator second = make(device(), samples);
      load(second, device(), image_of(first));
      EXPECT_EQ(second.samples(), first.samples());
      second.add(device(), samples.batch(cut, samples.rows() - cut));
      second.add_dropped({2, 0});
      expect_same_bits(second.finish(device()), expected);
      // The one that was saved is as it was.
      first.add(device(), samples.batch(cut, samples.rows() - cut));
      first.add_dropped({2, 0});
      expect_same_bits(first.finish(device()), expected);
    }
  }
}

TEST_P(AccumulatorImage, AnotherDeviceSavesWhatIsUnderWay) {
  const auto other = find_device(GetParam());
  const Samples samples = samples_of(DType::kFloat32);
  Accumulator whole = make(device(), samples);
  whole.add(device(), samples.batch());
  Accumulator first = make(*other, samples);
  first.add(*other, samples.batch(0, 4200));
  Accumulator second = make(device(), samples);
  load(second, device(), image_of(first));
  second.add(*other, samples.batch(4200, 800));
  expect_same_bits(second.finish(device()), whole.finish(device()));
}

TEST_P(AccumulatorImage, SaysWhatDoesNotFit) {
  const Samples samples = samples_of(DType::kFloat32);
  Accumulator accumulator = make(device(), samples);
  accumulator.add(device(), samples.batch(0, 3000));
  const std::vector<std::byte> image = image_of(accumulator);
  Accumulator wider(device(), 9, 7, DType::kFloat32);
  EXPECT_THAT(refusal(wider, device(), image), HasSubstr("expected K x d of [9, 7], got [9, 6]"));
  Accumulator half(device(), 9, 6, DType::kFloat16);
  EXPECT_THAT(refusal(half, device(), image), HasSubstr("expected samples in float16"));
  const auto fp64 = find_device(GetParam(), Math::kFloat64);
  Accumulator exact(*fp64, 9, 6, DType::kFloat32);
  EXPECT_THAT(refusal(exact, *fp64, image), HasSubstr("expected products in float64"));
  for (size_t cut = 0; cut < image.size(); cut += cut < 300 ? 1 : 97) {
    Accumulator short_one = make(device(), samples);
    EXPECT_THROW(load(short_one, device(), std::span(image).first(cut)), DataLoss) << cut;
  }
  std::vector<std::byte> longer = image;
  longer.push_back(std::byte{0});
  Accumulator long_one = make(device(), samples);
  EXPECT_THROW(load(long_one, device(), longer), DataLoss);
}

NCSCOPE_TEST_ON_DEVICES(AccumulatorImage);

}  // namespace
}  // namespace ncscope::test
