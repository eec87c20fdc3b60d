#include "kernels/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/errors.h"

namespace ncscope {
namespace {

// Value of a 16-bit float from its fields, by the definition of IEEE 754.
double value_of_fields(uint16_t bits, int mantissa_bits, int bias) {
  const int exponent_bits = 15 - mantissa_bits;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

TEST(DType, ConvertsEverySixteenBitPattern) {
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    for (const DType type : {DType::kFloat16, DType::kBFloat16}) {
      const double expected =
          type == DType::kFloat16 ? value_of_fields(bits, 10, 15) : value_of_fields(bits, 7, 127);
      float single = 0;
      double wide = 0;
      convert(type, &bits, 1, &single);
      convert(type, &bits, 1, &wide);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(single) && std::isnan(wide)) << i;
      } else {
        ASSERT_EQ(single, expected) << dtype_name(type) << " " << i;
        ASSERT_EQ(wide, expected) << dtype_name(type) << " " << i;
        ASSERT_EQ(std::signbit(single), std::signbit(expected));
      }
    }
  }
}

TEST(DType, ReadsAtAnyAlignment) {
  const double values[] = {1.5, -2.25};
  std::vector<std::byte> bytes(1 + sizeof(values));
  std::memcpy(bytes.data() + 1, values, sizeof(values));
  double out[2];
  convert(DType::kFloat64, bytes.data() + 1, 2, out);
  EXPECT_EQ(out[0], 1.5);
  EXPECT_EQ(out[1], -2.25);
  float narrow[2];
  EXPECT_THROW(convert(DType::kFloat64, values, 2, narrow), InvalidArgument);
}

TEST(DType, NamesSizesAndSpacings) {
  EXPECT_EQ(dtype_name(DType::kBFloat16), "bfloat16");
  EXPECT_EQ(dtype_size(DType::kFloat16), 2u);
  EXPECT_EQ(dtype_size(DType::kFloat64), 8u);
  EXPECT_EQ(dtype_epsilon(DType::kFloat16), 0x1p-10);
  EXPECT_EQ(dtype_epsilon(DType::kBFloat16), 0x1p-7);
  EXPECT_EQ(dtype_epsilon(DType::kFloat32), 0x1p-23);
  EXPECT_EQ(dtype_epsilon(DType::kFloat64), 0x1p-52);
  EXPECT_EQ(compute_type(DType::kBFloat16), DType::kFloat32);
  EXPECT_EQ(compute_type(DType::kFloat64), DType::kFloat64);
  EXPECT_THROW(dtype_size(static_cast<DType>(9)), InvalidArgument);
}

}  // namespace
}  // namespace ncscope
