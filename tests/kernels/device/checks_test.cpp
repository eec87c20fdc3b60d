// Every refusal of Device's public methods, which come before any device is involved.
#include <gtest/gtest.h>

#include <functional>

#include "kernels/errors.h"
#include "tests/support/devices.h"

namespace ncscope::test {
namespace {

class ChecksTest : public DeviceTest {
 protected:
  void expect_refusal(const std::string& message, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "passed: " << message;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(error.what(), message);
    }
  }
};

TEST_P(ChecksTest, LinearAlgebraNamesWhatItExpectedAndGot) {
  Device& d = device();
  const DeviceMatrix a = d.matrix(4, 3);
  const DeviceMatrix b = d.matrix(5, 4);
  const DeviceMatrix square = d.matrix(4, 4);
  const Matrix narrow(a.view().data, 2, 3, 2);
  expect_refusal("gemm: expected op(B) of 3 rows, got 5",
                 [&] { d.gemm(false, false, 1, a, b, 0, square); });
  expect_refusal("gemm: expected C [3, 5], got [4, 4]",
                 [&] { d.gemm(true, true, 1, a, b, 0, square); });
  expect_refusal("gemm: expected A with a stride of at least 3, got 2",
                 [&] { d.gemm(false, false, 1, narrow, square, 0, square); });
  expect_refusal("gemm: expected C in memory, got null",
                 [&] { d.gemm(false, false, 1, square, square, 0, Matrix(nullptr, 4, 4)); });
  expect_refusal("syrk: expected C [3, 3], got [4, 4]", [&] { d.syrk(true, 1, a, 0, square); });
  expect_refusal("cholesky: expected A [4, 4], got [4, 3]", [&] { d.cholesky(a); });
  expect_refusal("cholesky_solve: expected B [4, 4], got [5, 4]",
                 [&] { d.cholesky_solve(square, b); });
  expect_refusal("eigh: expected A [4, 4], got [4, 3]", [&] { d.eigh(a); });
  expect_refusal("eigenvalues: expected A [4, 4], got [4, 3]", [&] { d.eigenvalues(a); });
  expect_refusal("row_dots: expected B [4, 3], got [4, 4]", [&] { d.row_dots(a, square); });
  expect_refusal("scale_rows: expected factors of length 4, got 3",
                 [&] { d.scale_rows(a, std::vector<double>(3)); });
  expect_refusal("subtract_row: expected v of length 3, got 4",
                 [&] { d.subtract_row(a, std::vector<double>(4)); });
  const Matrix huge(a.view().data, size_t{1} << 31, 1);
  expect_refusal("row_dots: expected A with sizes of at most 2147483647, got [2147483648, 1]",
                 [&] { d.row_dots(huge, huge); });
}

TEST_P(ChecksTest, ReductionsNameWhatTheyExpectedAndGot) {
  Device& d = device();
  const DeviceMatrix a = d.matrix(4, 3);
  const std::vector<double> four(4);
  const std::vector<double> five(5);
  PairInput input;
  input.rows = a;
  input.squared_norms = five;
  expect_refusal("pair_reduce: expected squared_norms of length 4, got 5",
                 [&] { d.pair_reduce(input); });
  input.squared_norms = four;
  input.within_variances = five;
  expect_refusal("pair_reduce: expected within_variances of length 4, got 5",
                 [&] { d.pair_reduce(input); });
  input.within_variances = four;
  input.resolution = five;
  expect_refusal("pair_reduce: expected resolution of length 4, got 5",
                 [&] { d.pair_reduce(input); });
  input.rows = a.view().slice_rows(0, 1);
  expect_refusal("pair_reduce: expected at least two rows of one column, got [1, 3]",
                 [&] { d.pair_reduce(input); });
  expect_refusal("gram_residual: expected B [4, 3], got [3, 3]",
                 [&] { d.gram_residual(a, a.view().slice_rows(0, 3), 1); });
  Batch batch;
  batch.dim = 2;
  expect_refusal("argmax_affine: expected offset of length 4, got 5", [&] {
    d.argmax_affine(batch, {a, {}, five});
  });
  expect_refusal("argmax_affine: expected center of length 3, got 4", [&] {
    d.argmax_affine(batch, {a, four, four});
  });
  expect_refusal("argmax_affine: expected rows of dim 3, got 2", [&] {
    d.argmax_affine(batch, {a, {}, four});
  });
  batch.dim = 3;
  batch.rows = 1;
  expect_refusal("argmax_affine: expected features in memory, got null", [&] {
    d.argmax_affine(batch, {a, {}, four});
  });
}

TEST_P(ChecksTest, PointsOfRowsAreChecked) {
  Device& d = device();
  const DeviceMatrix points = d.matrix(4, 3);
  const std::vector<double> four(4);
  const std::vector<int32_t> places = {3, 4};
  const std::vector<float> features(6);
  Batch batch{features.data(), DType::kFloat32, 2, 3};
  expect_refusal("point_distances: expected places from -1 to 3, got 4 for row 1", [&] {
    d.point_distances(batch, {points, {}, places});
  });
  expect_refusal("point_distances: expected center of length 3, got 4", [&] {
    d.point_distances(batch, {points, four, places});
  });
  batch.rows = 1;
  expect_refusal("point_distances: expected places of length 1, got 2", [&] {
    d.point_distances(batch, {points, {}, places});
  });
}

TEST_P(ChecksTest, MemoryThatCannotBeIsRefused) {
  EXPECT_EQ(device().allocate(0).data(), nullptr);
  EXPECT_THROW(device().allocate(SIZE_MAX / 2), OutOfMemory);
  EXPECT_THROW(device().matrix(SIZE_MAX / 4, 3), OutOfMemory);
}

NCSCOPE_TEST_ON_DEVICES(ChecksTest);

}  // namespace
}  // namespace ncscope::test
