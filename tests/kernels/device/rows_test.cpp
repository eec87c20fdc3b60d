#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/devices.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"
#include "tests/support/samples.h"
#include "tests/support/statistics_matchers.h"
#include "tests/support/tolerance.h"

namespace ncscope::test {
namespace {

class RowsTest : public DeviceTest {};

struct RowsShape {
  size_t rows, cols;
};
constexpr RowsShape kRowsShapes[] = {{1, 1}, {3, 2}, {1, 700}, {900, 17}, {2100, 130}};

TEST_P(RowsTest, RowDotsMatchPlainLoops) {
  for (const auto& [rows, cols] : kRowsShapes) {
    Random random(1);
    const std::vector<double> a = random.normals(rows * cols);
    const std::vector<double> b = random.normals(rows * cols);
    Guarded da(device(), rows, cols, a);
    Guarded db(device(), rows, cols, b);
    const std::vector<double> got = device().row_dots(da.view(), db.view());
    std::vector<double> expected(rows);
    for (size_t r = 0; r < rows; ++r) {
      long double sum = 0;
      for (size_t c = 0; c < cols; ++c) {
        sum += static_cast<long double>(a[r * cols + c]) * b[r * cols + c];
      }
      expected[r] = static_cast<double>(sum);
    }
    EXPECT_LE(relative_error(got, expected), tolerance::products(cols));
  }
}

TEST_P(RowsTest, ScalesAndShiftsEachRowToTheBit) {
  for (const auto& [rows, cols] : kRowsShapes) {
    Random random(2);
    const std::vector<double> a = random.normals(rows * cols);
    const std::vector<double> factors = random.normals(rows);
    const std::vector<double> shift = random.normals(cols);
    Guarded scaled(device(), rows, cols, a);
    Guarded shifted(device(), rows, cols, a);
    device().scale_rows(scaled.view(), factors);
    device().subtract_row(shifted.view(), shift);
    std::vector<double> expected_scaled = a;
    std::vector<double> expected_shifted = a;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) {
        expected_scaled[r * cols + c] *= factors[r];
        expected_shifted[r * cols + c] -= shift[c];
      }
    }
    EXPECT_TRUE(same_bits(scaled.values(), expected_scaled));
    EXPECT_TRUE(same_bits(shifted.values(), expected_shifted));
    EXPECT_TRUE(scaled.intact());
    EXPECT_TRUE(shifted.intact());
  }
}

TEST_P(RowsTest, CopiesThereAndBack) {
  Random random(3);
  const std::vector<double> a = random.normals(60);
  const DeviceMatrix whole = device().upload({a.data(), 10, 4, 6});  // 4 columns of 6
  const std::vector<double> got = download(whole);
  for (size_t r = 0; r < 10; ++r) {
    for (size_t c = 0; c < 4; ++c) EXPECT_EQ(got[r * 4 + c], a[r * 6 + c]);
  }
  device().zero(whole.view().data, 8 * sizeof(double));
  EXPECT_EQ(download(whole.view().slice_rows(0, 3)),
            (std::vector<double>{0, 0, 0, 0, 0, 0, 0, 0, got[8], got[9], got[10], got[11]}));
}

TEST_P(RowsTest, DistancesFromPointsMatchPlainLoops) {
  for (const DType type : {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    for (const auto& [rows, cols] : kRowsShapes) {
      const Samples samples =
          make_clusters({.rows = rows, .dim = cols, .num_classes = 3, .type = type});
      Random random(4);
      const std::vector<double> points = random.normals(5 * cols);
      const std::vector<double> center = random.normals(cols);
      std::vector<int32_t> places(rows);
      for (int32_t& place : places) place = static_cast<int32_t>(random.below(6)) - 1;
      const Guarded on_device(device(), 5, cols, points);
      for (const bool centered : {false, true}) {
        const std::vector<double> got = device().point_distances(
            samples.batch(), {on_device.view(), centered ? center : std::vector<double>(), places});
        ASSERT_EQ(got.size(), rows);
        for (size_t r = 0; r < rows; ++r) {
          if (places[r] < 0) {
            EXPECT_EQ(got[r], std::numeric_limits<double>::infinity());
            continue;
          }
          long double square = 0;
          for (size_t c = 0; c < cols; ++c) {
            const long double x = samples.values[r * cols + c] - (centered ? center[c] : 0.0);
            const long double y = x - points[static_cast<size_t>(places[r]) * cols + c];
            square += y * y;
          }
          const auto expected = static_cast<double>(std::sqrt(square));
          EXPECT_NEAR(got[r], expected, expected * tolerance::products(cols)) << r;
        }
      }
    }
  }
}

NCSCOPE_TEST_ON_DEVICES(RowsTest);

}  // namespace
}  // namespace ncscope::test
