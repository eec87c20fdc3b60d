#include "kernels/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/errors.h"
#include "kernels/finite.h"
#include "tests/support/random.h"
#include "tests/support/wire.h"

namespace ncscope::test {
namespace {

using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr DType kWireTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16,
                                DType::kFloat64};

// A batch as it comes over the wire, and the series that it belongs to.
struct RawWire {
  BatchSpec spec;
  size_t rows = 0;
  std::vector<std::byte> features;
  std::vector<std::byte> labels;
  std::vector<std::byte> predictions;

  RawBatch raw() const { return {rows, features, labels, predictions}; }
};

RawWire make_raw(DType type, size_t dim, const std::vector<double>& values,
                 const std::vector<int64_t>& labels) {
  RawWire wire;
  wire.spec.num_classes = 10;
  wire.spec.dim = dim;
  wire.spec.type = type;
  wire.rows = labels.size();
  wire.features = encode(type, values);
  wire.labels = encode_labels(LabelWidth::kInt64, labels);
  return wire;
}

std::string admission_refusal(const RawWire& wire) {
  try {
    admit(wire.raw(), wire.spec);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "admitted";
}

TEST(Admission, CopiesEveryTypeAndLabelWidth) {
  Random random(1);
  for (const DType type : kWireTypes) {
    for (const LabelWidth width : {LabelWidth::kInt32, LabelWidth::kInt64}) {
      const std::vector<int64_t> labels = {3, 0, 9, -100, 5};
      RawWire wire = make_raw(type, 37, random.normals(5 * 37), labels);
      wire.spec.label_width = width;
      wire.labels = encode_labels(width, labels);
      const std::vector<int64_t> predictions = {1, 2, 3, 4, 9};
      wire.predictions = encode_labels(width, predictions);
      const AdmittedBatch admitted = admit(wire.raw(), wire.spec);
      const Batch batch = admitted.view();
      EXPECT_EQ(batch.rows, 5u);
      EXPECT_EQ(batch.dim, 37u);
      EXPECT_EQ(batch.type, type);
      EXPECT_EQ(std::memcmp(batch.features, wire.features.data(), wire.features.size()), 0);
      EXPECT_EQ(std::vector<int32_t>(batch.labels, batch.labels + 5),
                (std::vector<int32_t>{3, 0, 9, kDroppedRow, 5}));
      EXPECT_EQ(std::vector<int32_t>(batch.predictions, batch.predictions + 5),
                (std::vector<int32_t>{1, 2, 3, 4, 9}));
      EXPECT_EQ(admitted.dropped().ignored, 1u);
      EXPECT_EQ(admitted.dropped().nonfinite, 0u);
      EXPECT_GE(admitted.bytes(), wire.features.size() + 40);
    }
  }
}

TEST(Admission, NamesRowAndColumnOfTheFirstValueThatIsNotFinite) {
  const size_t dim = 35;  // not a multiple of any vector
  for (const DType type : kWireTypes) {
    for (size_t place = 0; place < 2 * dim; ++place) {
      for (const auto& [value, name] : {std::pair{kNaN, "NaN"}, std::pair{kInfinity, "+infinity"},
                                        std::pair{-kInfinity, "-infinity"}}) {
        std::vector<double> values(2 * dim, 1.0);
        values[place] = value;
        values.back() = place == 2 * dim - 1 ? value : kNaN;  // a later one is not named
        const std::string expected = "admit: expected " + expected_features(type) + ", got " +
                                     name + " in row " + std::to_string(place / dim) + ", column " +
                                     std::to_string(place % dim);
        EXPECT_EQ(admission_refusal(make_raw(type, dim, values, {1, 2})), expected)
            << dtype_name(type);
      }
    }
  }
}

TEST(Admission, PassesEveryFiniteValueUpToTheLimit) {
  const std::vector<std::vector<double>> values = {
      {-0.0, 0x1p-149, -0x1p-126, 0x1.fffffep125, -0x1p125},
      {-0.0, 0x1p-24, -0x1p-14, 65504, -65504},
      {-0.0, 0x1p-133, -0x1p-126, 0x1.fep125, -0x1p125},
      {-0.0, 0x1p-1074, -0x1p-1022, std::nextafter(0x1p220, 0), -0x1p219}};
  for (size_t i = 0; i < 4; ++i) {
    const RawWire wire = make_raw(kWireTypes[i], 5, values[i], {0});
    const AdmittedBatch admitted = admit(wire.raw(), wire.spec);
    const auto* const bytes = static_cast<const std::byte*>(admitted.view().features);
    const std::vector<double> got = decode(kWireTypes[i], {bytes, wire.features.size()});
    EXPECT_EQ(got, values[i]) << dtype_name(kWireTypes[i]);
    EXPECT_TRUE(std::signbit(got[0]));
  }
}

TEST(Admission, RefusesValuesWhoseDifferencesOrPowersWouldOverflow) {
  const std::pair<DType, std::vector<double>> cases[] = {
      {DType::kFloat32, {0x1p126, -0x1p126, std::numeric_limits<float>::max()}},
      {DType::kBFloat16, {0x1p126, -0x1p127, 0x1.fep127}},
      {DType::kFloat64, {0x1p220, -0x1p220, std::numeric_limits<double>::max()}}};
  for (const auto& [type, values] : cases) {
    for (const double value : values) {
      const std::string text = admission_refusal(make_raw(type, 3, {1, 2, value}, {0}));
      EXPECT_THAT(text, HasSubstr("in magnitude, got ")) << dtype_name(type) << value;
      EXPECT_THAT(text, HasSubstr("in row 0, column 2")) << dtype_name(type) << value;
    }
  }
}

TEST(Admission, FeaturesOfIgnoredRowsMayBeAnything) {
  RawWire wire = make_raw(DType::kFloat32, 2, {1, 2, kNaN, 3, 5, 6}, {1, -100, 2});
  const AdmittedBatch admitted = admit(wire.raw(), wire.spec);
  EXPECT_EQ(admitted.dropped().ignored, 1u);
  EXPECT_EQ(admitted.dropped().nonfinite, 0u);
  const auto* const features = static_cast<const float*>(admitted.view().features);
  EXPECT_EQ(std::vector<float>(features, features + 6), (std::vector<float>{1, 2, 0, 0, 5, 6}));
}

TEST(Admission, DropsRowsThatAreNotFiniteOnRequest) {
  RawWire wire = make_raw(DType::kFloat32, 2, {1, 2, kNaN, 3, 4, -kInfinity, 5, 6, kNaN, kNaN},
                          {1, 2, 3, 4, -100});
  wire.spec.skip_nonfinite = true;
  const AdmittedBatch admitted = admit(wire.raw(), wire.spec);
  const Batch batch = admitted.view();
  EXPECT_EQ(admitted.dropped().nonfinite, 2u);
  EXPECT_EQ(admitted.dropped().ignored, 1u);  // counted once
  EXPECT_EQ(std::vector<int32_t>(batch.labels, batch.labels + 5),
            (std::vector<int32_t>{1, kDroppedRow, kDroppedRow, 4, kDroppedRow}));
  const auto* const features = static_cast<const float*>(batch.features);
  EXPECT_EQ(std::vector<float>(features, features + 10),
            (std::vector<float>{1, 2, 0, 0, 0, 0, 5, 6, 0, 0}));
}

TEST(Admission, RefusesLabelsOutsideTheClasses) {
  EXPECT_EQ(admission_refusal(make_raw(DType::kFloat32, 1, {1, 2, 3}, {0, 10, 11})),
            "admit: expected labels in [0, 10) or -100, got 10 in row 1");
  EXPECT_EQ(admission_refusal(make_raw(DType::kFloat32, 1, {1, 2, 3}, {0, 1, -1})),
            "admit: expected labels in [0, 10) or -100, got -1 in row 2");
  EXPECT_THAT(admission_refusal(make_raw(DType::kFloat32, 1, {1}, {int64_t{1} << 32})),
              HasSubstr("got 4294967296 in row 0"));
  RawWire wire = make_raw(DType::kFloat32, 1, {1, 2}, {0, 7});
  wire.spec.ignore_index = 7;
  EXPECT_EQ(admit(wire.raw(), wire.spec).dropped().ignored, 1u);
  wire.labels = encode_labels(LabelWidth::kInt64, std::vector<int64_t>{0, -100});
  EXPECT_EQ(admission_refusal(wire), "admit: expected labels in [0, 10) or 7, got -100 in row 1");
}

TEST(Admission, RefusesPredictionsOutsideTheClasses) {
  RawWire wire = make_raw(DType::kFloat32, 1, {1, 2}, {0, 1});
  wire.predictions = encode_labels(LabelWidth::kInt64, std::vector<int64_t>{3, -100});
  EXPECT_EQ(admission_refusal(wire), "admit: expected predictions in [0, 10), got -100 in row 1");
  wire.predictions = encode_labels(LabelWidth::kInt64, std::vector<int64_t>{10, 0});
  EXPECT_EQ(admission_refusal(wire), "admit: expected predictions in [0, 10), got 10 in row 0");
}

TEST(Admission, RefusesByteCountsThatDoNotFit) {
  const RawWire good = make_raw(DType::kFloat32, 3, {1, 2, 3, 4, 5, 6}, {0, 1});
  RawWire wire = good;
  wire.features.pop_back();
  EXPECT_EQ(admission_refusal(wire), "admit: expected 24 bytes of features for 2 rows, got 23");
  wire = good;
  wire.labels.push_back(std::byte{0});
  EXPECT_EQ(admission_refusal(wire), "admit: expected 16 bytes of labels for 2 rows, got 17");
  wire = good;
  wire.predictions.resize(8);
  EXPECT_EQ(admission_refusal(wire), "admit: expected 16 bytes of predictions for 2 rows, got 8");
  wire = good;
  wire.rows = SIZE_MAX / 4;
  EXPECT_THAT(admission_refusal(wire), HasSubstr("more bytes than 64 bits can count"));
  wire.rows = (SIZE_MAX / 12) + 3;  // 12 bytes a row wrap around to a small number
  EXPECT_THAT(admission_refusal(wire), HasSubstr("more bytes than 64 bits can count"));
}

TEST(Admission, RefusesASeriesWithoutClassesOrColumns) {
  RawWire wire = make_raw(DType::kFloat32, 1, {1}, {0});
  wire.spec.num_classes = 0;
  EXPECT_THAT(admission_refusal(wire),
              HasSubstr("admit: expected K and d in [1, 2147483647], got [0, 1]"));
  wire = make_raw(DType::kFloat32, 1, {1}, {0});
  wire.spec.dim = 0;
  EXPECT_THAT(admission_refusal(wire), HasSubstr("got [10, 0]"));
}

TEST(Admission, AdmitsABatchWithoutRows) {
  const RawWire wire = make_raw(DType::kFloat32, 4, {}, {});
  EXPECT_EQ(admit(wire.raw(), wire.spec).view().rows, 0u);
}

}  // namespace
}  // namespace ncscope::test
