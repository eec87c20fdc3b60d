#include <gtest/gtest.h>

#include <cmath>

#include "kernels/errors.h"
#include "tests/support/devices.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"
#include "tests/support/statistics_matchers.h"
#include "tests/support/tolerance.h"

namespace ncscope::test {
namespace {

class LinearAlgebraTest : public DeviceTest {};

using Elements = std::vector<double>;

Elements transpose_of(const Elements& a, size_t rows, size_t cols) {
  Elements out(a.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) out[c * rows + r] = a[r * cols + c];
  }
  return out;
}

// alpha A B + beta C, A [m, k], B [k, n].
Elements plain_product(double alpha, const Elements& a, const Elements& b, double beta,
                       const Elements& c, size_t m, size_t k, size_t n) {
  Elements out(m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      long double sum = 0;
      for (size_t l = 0; l < k; ++l) sum += static_cast<long double>(a[i * k + l]) * b[l * n + j];
      out[i * n + j] = static_cast<double>(alpha * sum) + (beta == 0 ? 0 : beta * c[i * n + j]);
    }
  }
  return out;
}

// Symmetric with eigenvalues >= 1.
Elements positive_definite(size_t n, uint64_t seed) {
  Random random(seed);
  const Elements a = random.normals(n * n);
  Elements out =
      plain_product(1.0 / static_cast<double>(n), a, transpose_of(a, n, n), 0, {}, n, n, n);
  for (size_t i = 0; i < n; ++i) {
    out[i * n + i] += 1;
    for (size_t j = 0; j < i; ++j) out[i * n + j] = out[j * n + i];
  }
  return out;
}

constexpr size_t kMatrixSizes[] = {1, 2, 5, 31, 67, 130};

TEST_P(LinearAlgebraTest, GemmMatchesPlainLoops) {
  struct Shape {
    size_t m, k, n;
  };
  for (const Shape& s :
       {Shape{1, 1, 1}, {3, 2, 5}, {65, 1, 33}, {70, 129, 67}, {70, 129, 1}, {5, 0, 4}}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        for (const double beta : {0.0, -0.5}) {
          SCOPED_TRACE(testing::Message() << s.m << " " << s.k << " " << s.n << " " << transpose_a
                                          << transpose_b << " beta " << beta);
          Random random(7);
          const Elements a = random.normals(s.m * s.k);
          const Elements b = random.normals(s.k * s.n);
          const Elements c = random.normals(s.m * s.n);
          Guarded da = transpose_a ? Guarded(device(), s.k, s.m, transpose_of(a, s.m, s.k))
                                   : Guarded(device(), s.m, s.k, a);
          Guarded db = transpose_b ? Guarded(device(), s.n, s.k, transpose_of(b, s.k, s.n))
                                   : Guarded(device(), s.k, s.n, b);
          // With beta = 0 the output starts as NaN.
          Guarded dc = beta == 0 ? Guarded(device(), s.m, s.n) : Guarded(device(), s.m, s.n, c);
          device().gemm(transpose_a, transpose_b, 1.5, da.view(), db.view(), beta, dc.view());
          EXPECT_LE(relative_error(dc.values(), plain_product(1.5, a, b, beta, c, s.m, s.k, s.n)),
                    tolerance::products(s.k + 1));
          EXPECT_TRUE(dc.intact());
        }
      }
    }
  }
}

TEST_P(LinearAlgebraTest, SyrkReadsTheUpperTriangleAndWritesBoth) {
  for (const size_t n : kMatrixSizes) {
    for (const size_t k : {size_t{0}, size_t{1}, size_t{90}}) {
      for (const bool transpose : {false, true}) {
        SCOPED_TRACE(testing::Message() << n << " " << k << " " << transpose);
        Random random(3);
        const Elements a = random.normals(n * k);  // [n, k]
        Elements c = positive_definite(n, 4);
        const Elements expected = plain_product(2, a, transpose_of(a, n, k), 0.25, c, n, k, n);
        for (size_t i = 0; i < n; ++i) {
          for (size_t j = 0; j < i; ++j) c[i * n + j] = NAN;
        }
        Guarded da =
            transpose ? Guarded(device(), k, n, transpose_of(a, n, k)) : Guarded(device(), n, k, a);
        Guarded dc(device(), n, n, c);
        device().syrk(transpose, 2, da.view(), 0.25, dc.view());
        const Elements got = dc.values();
        EXPECT_LE(relative_error(got, expected), tolerance::products(k + 1));
        EXPECT_TRUE(same_bits(got, transpose_of(got, n, n)));
        EXPECT_TRUE(dc.intact());
      }
    }
  }
}

TEST_P(LinearAlgebraTest, CholeskyFactorsAndSolves) {
  for (const size_t n : kMatrixSizes) {
    SCOPED_TRACE(n);
    const Elements a = positive_definite(n, 5);
    Guarded factor(device(), n, n, a);
    ASSERT_TRUE(device().cholesky(factor.view()));
    EXPECT_TRUE(factor.intact());
    Elements lower = factor.values();
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = i + 1; j < n; ++j) lower[i * n + j] = 0;
    }
    EXPECT_LE(relative_error(plain_product(1, lower, transpose_of(lower, n, n), 0, {}, n, n, n), a),
              tolerance::cholesky(n));
    for (const size_t columns : {size_t{1}, size_t{7}}) {
      Random random(6);
      const Elements x = random.normals(n * columns);
      Guarded b(device(), n, columns, plain_product(1, a, x, 0, {}, n, n, columns));
      device().cholesky_solve(factor.view(), b.view());
      EXPECT_LE(relative_error(b.values(), x), 10 * tolerance::cholesky(n));
      EXPECT_TRUE(b.intact());
    }
  }
}

TEST_P(LinearAlgebraTest, CholeskySaysWhereAMatrixIsNotPositiveDefinite) {
  const DeviceMatrix indefinite = upload({1, 2, 2, 1}, 2, 2);
  EXPECT_FALSE(device().cholesky(indefinite));
  const DeviceMatrix zero = upload(Elements(9, 0.0), 3, 3);
  EXPECT_FALSE(device().cholesky(zero));
  const DeviceMatrix nan = upload({1, NAN, NAN, 1}, 2, 2);
  EXPECT_FALSE(device().cholesky(nan));
}

TEST_P(LinearAlgebraTest, EighGivesOrthonormalRowsWithSmallResiduals) {
  for (const size_t n : kMatrixSizes) {
    SCOPED_TRACE(n);
    Elements a = positive_definite(n, 8);
    for (size_t i = 0; i < n; ++i) a[i * n + i] -= 2;  // of both signs
    Guarded vectors(device(), n, n, a);
    const Elements eigenvalues = device().eigh(vectors.view());
    EXPECT_TRUE(vectors.intact());
    const Elements v = vectors.values();
    Elements identity(n * n);
    for (size_t i = 0; i < n; ++i) identity[i * n + i] = 1;
    EXPECT_LE(relative_error(plain_product(1, v, transpose_of(v, n, n), 0, {}, n, n, n), identity),
              tolerance::eigen(n));
    Elements scaled = v;
    for (size_t i = 0; i < n; ++i) {
      EXPECT_LE(eigenvalues[i == 0 ? 0 : i - 1], eigenvalues[i]);
      for (size_t j = 0; j < n; ++j) scaled[i * n + j] *= eigenvalues[i];
    }
    EXPECT_LE(relative_error(plain_product(1, v, a, 0, {}, n, n, n), scaled), tolerance::eigen(n));

    Guarded alone(device(), n, n, a);
    EXPECT_LE(relative_error(device().eigenvalues(alone.view()), eigenvalues), tolerance::eigen(n));
    EXPECT_TRUE(alone.intact());
  }
}

TEST_P(LinearAlgebraTest, EighRefusesNaN) {
  const DeviceMatrix nan = upload({1, NAN, NAN, 1}, 2, 2);
  EXPECT_THROW(device().eigh(nan), NumericalError);
  EXPECT_THROW(device().eigenvalues(upload({1, NAN, NAN, 1}, 2, 2)), NumericalError);
}

TEST_P(LinearAlgebraTest, TheSameInputGivesTheSameBits) {
  const size_t n = 300;
  const Elements a = positive_definite(n, 2);
  Elements first[3];
  for (int round = 0; round < 2; ++round) {
    const DeviceMatrix da = upload(a, n, n);
    const DeviceMatrix c = device().matrix(n, n);
    device().gemm(false, true, 1, da, da, 0, c);
    Elements results[3] = {download(c), {}, {}};
    device().syrk(true, 1, da, 0, c);
    results[1] = download(c);
    results[2] = device().eigh(da);
    for (int i = 0; i < 3; ++i) {
      if (round == 0) first[i] = results[i];
      EXPECT_TRUE(same_bits(results[i], first[i])) << i;
    }
  }
}

NCSCOPE_TEST_ON_DEVICES(LinearAlgebraTest);

}  // namespace
}  // namespace ncscope::test
