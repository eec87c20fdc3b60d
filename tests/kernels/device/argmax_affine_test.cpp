#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/devices.h"
#include "tests/support/oracle.h"
#include "tests/support/random.h"
#include "tests/support/samples.h"

namespace ncscope::test {
namespace {

class ArgmaxAffineTest : public DeviceTest {
 protected:
  // Decisions of the device and of plain float64 loops are the same, every one of them.
  void expect_exact(const Samples& samples, const std::vector<double>& rows, size_t classes,
                    const std::vector<double>& center, const std::vector<double>& offset,
                    bool points = false) {
    const DeviceMatrix device_rows = upload(rows, classes, samples.dim);
    const std::vector<int32_t> got =
        device().argmax_affine(samples.batch(), {device_rows, center, offset, points});
    const ConstMatrix host_rows(rows.data(), classes, samples.dim);
    const std::vector<int32_t> expected =
        oracle_argmax(samples, {host_rows, center, offset, points});
    EXPECT_EQ(got, expected);
  }
};

constexpr DType kFeatureTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16,
                                   DType::kFloat64};

// Nearest centre as a score: -||mu||^2 / 2.
std::vector<double> half_squares(const std::vector<double>& rows, size_t classes) {
  const size_t d = rows.size() / classes;
  std::vector<double> out(classes);
  for (size_t c = 0; c < classes; ++c) {
    for (size_t j = 0; j < d; ++j) out[c] -= 0.5 * rows[c * d + j] * rows[c * d + j];
  }
  return out;
}

TEST_P(ArgmaxAffineTest, MatchesPlainLoopsOnEveryTypeAndShape) {
  struct Case {
    size_t rows, dim, classes;
  };
  for (const DType type : kFeatureTypes) {
    for (const auto& [rows, dim, classes] :
         {Case{1, 1, 1}, {5, 1, 3}, {40, 17, 2}, {1100, 9, 33}, {70, 65, 1050}}) {
      SCOPED_TRACE(testing::Message()
                   << dtype_name(type) << " " << rows << " " << dim << " " << classes);
      const Samples samples = make_clusters(
          {.rows = rows, .dim = dim, .num_classes = classes, .type = type, .within_std = 0.5});
      Random random(2);
      const std::vector<double> a = random.normals(classes * dim);
      expect_exact(samples, a, classes, random.normals(dim), random.normals(classes));
      expect_exact(samples, a, classes, {}, random.normals(classes));
    }
  }
}

TEST_P(ArgmaxAffineTest, DuplicateRowsGiveTheLowestClass) {
  const size_t d = 33;
  Random random(3);
  std::vector<double> a = random.normals(600 * d);
  for (size_t c = 0; c < 600; ++c) {
    if (c % 7 != 0) std::copy_n(a.begin() + (c / 7 * 7) * d, d, a.begin() + c * d);
  }
  for (const DType type : kFeatureTypes) {
    const Samples samples = make_clusters({.rows = 300, .dim = d, .num_classes = 3, .type = type});
    expect_exact(samples, a, 600, {}, std::vector<double>(600, 0.0));
    const DeviceMatrix device_rows = upload(a, 600, d);
    const std::vector<double> zeros(600);
    for (const int32_t c : device().argmax_affine(samples.batch(), {device_rows, {}, zeros})) {
      EXPECT_EQ(c % 7, 0);
    }
  }
}

// Closer together than float32 can tell, as after a training that ended in one point.
TEST_P(ArgmaxAffineTest, CentresThatNearlyCoincideAreToldApart) {
  const size_t d = 50;
  for (const size_t classes : {3, 8, 13, 600}) {
    Random random(8);
    const std::vector<double> point = random.normals(d);
    std::vector<double> centers;
    for (size_t c = 0; c < classes; ++c) {
      for (size_t j = 0; j < d; ++j) centers.push_back(point[j] + 1e-12 * random.normal());
    }
    const Samples samples = make_clusters({.rows = 100, .dim = d, .num_classes = 3});
    expect_exact(samples, centers, classes, {}, half_squares(centers, classes));
    expect_exact(samples, centers, classes, {}, half_squares(centers, classes), true);
    expect_exact(samples, centers, classes, point, half_squares(centers, classes), true);
  }
}

// What decides is the float64 sum of (a_j - h_j)^2, also where its rounding is the larger one.
TEST_P(ArgmaxAffineTest, RowsFarFromAllPointsGoWhereTheirDistancesSay) {
  const size_t d = 512;
  Random random(9);
  const std::vector<double> points = random.normals(6 * d);
  for (const double far : {1e2, 1e4, 1e6}) {
    std::vector<double> values = random.normals(200 * d);
    for (double& x : values) x *= far;
    for (const DType type : {DType::kFloat32, DType::kFloat64}) {
      const Samples samples = make_samples(type, 6, d, values, std::vector<int32_t>(200, 0));
      expect_exact(samples, points, 6, {}, half_squares(points, 6), true);
    }
  }
}

TEST_P(ArgmaxAffineTest, PointsHalfwayBetweenCentresGoWhereFloat64SaysThem) {
  const size_t d = 40;
  const size_t classes = 20;
  Random random(4);
  std::vector<double> centers = random.normals(classes * d);
  std::vector<double> values;
  for (size_t i = 0; i < 2000; ++i) {
    const size_t c = random.below(classes);
    const size_t e = random.below(classes);
    const double lean = (random.uniform() - 0.5) * std::pow(10.0, -1.0 - 14 * random.uniform());
    for (size_t j = 0; j < d; ++j) {
      values.push_back((0.5 + lean) * centers[c * d + j] + (0.5 - lean) * centers[e * d + j]);
    }
  }
  for (const DType type : kFeatureTypes) {
    const Samples samples = make_samples(type, classes, d, values, std::vector<int32_t>(2000, 0));
    expect_exact(samples, centers, classes, {}, half_squares(centers, classes));
  }
}

TEST_P(ArgmaxAffineTest, AFarOriginDoesNotBlurTheDecision) {
  const size_t d = 64;
  const size_t classes = 12;
  Random random(5);
  std::vector<double> centers = random.normals(classes * d);
  for (double& x : centers) x *= 1e-3;
  const std::vector<double> origin(d, 1000.0);
  std::vector<double> values;
  for (size_t i = 0; i < 1500; ++i) {
    const size_t c = random.below(classes);
    for (size_t j = 0; j < d; ++j)
      values.push_back(1000 + centers[c * d + j] + 1e-3 * random.normal());
  }
  for (const DType type : {DType::kFloat32, DType::kFloat64}) {
    const Samples samples = make_samples(type, classes, d, values, std::vector<int32_t>(1500, 0));
    expect_exact(samples, centers, classes, origin, half_squares(centers, classes));
    expect_exact(samples, centers, classes, {}, std::vector<double>(classes, 0.0));
  }
}

TEST_P(ArgmaxAffineTest, EqualFeaturesAndZeroRowsGiveTheLowestClass) {
  const Samples samples = make_samples(DType::kFloat32, 4, 3, std::vector<double>(30, 0.0),
                                       std::vector<int32_t>(10, 0));
  const std::vector<double> zeros(12);
  expect_exact(samples, zeros, 4, {}, {0, 0, 0, 0});
  expect_exact(samples, zeros, 4, {}, {0, 1, 1, 0});
}

// Products beyond the range of float32 on either side are decided in float64.
TEST_P(ArgmaxAffineTest, HugeAndTinyScoresAreDecidedInFloat64) {
  Random random(6);
  for (const double feature_scale : {1e-30, 1e30}) {
    for (const double row_scale : {1e-30, 1e-12, 1e12, 1e30, 1e200}) {
      std::vector<double> values = random.normals(200 * 8);
      for (double& x : values) x *= feature_scale;
      std::vector<double> rows = random.normals(10 * 8);
      for (double& x : rows) x *= row_scale;
      const Samples samples =
          make_samples(DType::kFloat32, 10, 8, values, std::vector<int32_t>(200, 0));
      expect_exact(samples, rows, 10, {}, std::vector<double>(10, 0.0));
    }
  }
}

TEST_P(ArgmaxAffineTest, DroppedRowsAreDecidedTooAndNoRowsGiveNone) {
  Samples samples = make_clusters({.rows = 20, .dim = 3, .num_classes = 3});
  std::fill(samples.labels.begin(), samples.labels.end(), kDroppedRow);
  Random random(1);
  expect_exact(samples, random.normals(9), 3, {}, {0, 0, 0});
  const DeviceMatrix rows = upload(random.normals(9), 3, 3);
  const std::vector<double> offset(3);
  EXPECT_TRUE(device().argmax_affine(samples.batch(0, 0), {rows, {}, offset}).empty());
}

NCSCOPE_TEST_ON_DEVICES(ArgmaxAffineTest);

}  // namespace
}  // namespace ncscope::test
