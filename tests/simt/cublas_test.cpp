// Each routine against plain loops, with gaps between columns.
#include "tests/simt/blas_fixture.h"

namespace ncscope::simt {
namespace {

class BlasResults : public Blas {
 protected:
  template <class T>
  void check_gemm(cublasOperation_t ta, cublasOperation_t tb, T beta);
  template <class T>
  void check_syrk(cublasFillMode_t uplo, cublasOperation_t t, T beta);
};

template <class T>
void BlasResults::check_gemm(cublasOperation_t ta, cublasOperation_t tb, T beta) {
  constexpr int64_t kM = 5, kN = 3, kK = 7;
  const bool plain_a = ta == CUBLAS_OP_N, plain_b = tb == CUBLAS_OP_N;
  const auto a = Columns<T>::random(plain_a ? kM : kK, plain_a ? kK : kM, 9, 1);
  const auto b = Columns<T>::random(plain_b ? kK : kN, plain_b ? kN : kK, 8, 2);
  auto c = Columns<T>::random(kM, kN, 6, 3);
  const auto da = a.upload();
  const auto db = b.upload();
  // C is not read where beta is 0.
  const auto dc = beta == 0 ? device_array<T>(c.values.size()) : c.upload();
  ASSERT_EQ(gemm(ta, tb, kM, kN, kK, T(1.5), da.get(), 9, db.get(), 8, beta, dc.get(), 6),
            CUBLAS_STATUS_SUCCESS);
  finish();
  Columns<T> got(kM, kN, 6);
  got.download(dc.get());
  for (int64_t j = 0; j < kN; ++j) {
    for (int64_t i = 0; i < kM; ++i) {
      double sum = 0;
      for (int64_t p = 0; p < kK; ++p) sum += double{a.at(ta, i, p)} * b.at(tb, p, j);
      const double expected = 1.5 * sum + (beta == 0 ? 0 : double{beta} * c(i, j));
      EXPECT_NEAR(got(i, j), expected, 50 * std::numeric_limits<T>::epsilon());
    }
    EXPECT_TRUE(std::isnan(got(5, j)));
  }
}

TEST_F(BlasResults, Gemm) {
  for (const auto ta : {CUBLAS_OP_N, CUBLAS_OP_T}) {
    for (const auto tb : {CUBLAS_OP_N, CUBLAS_OP_T}) {
      check_gemm<double>(ta, tb, 0);
      check_gemm<double>(ta, tb, -2);
      check_gemm<float>(ta, tb, 0);
      check_gemm<float>(ta, tb, -2);
    }
  }
}

template <class T>
void BlasResults::check_syrk(cublasFillMode_t uplo, cublasOperation_t t, T beta) {
  constexpr int64_t kN = 5, kK = 4;
  const bool plain = t == CUBLAS_OP_N;
  const auto a = Columns<T>::random(plain ? kN : kK, plain ? kK : kN, 7, 4);
  auto c = Columns<T>::random(kN, kN, 6, 5);
  const auto in = [&](int64_t i, int64_t j) {
    return uplo == CUBLAS_FILL_MODE_LOWER ? i >= j : i <= j;
  };
  const auto da = a.upload();
  const auto dc = device_array<T>(c.values.size());
  // Only the triangle is written before; the rest must be left alone.
  for (int64_t j = 0; j < kN && beta != 0; ++j) {
    for (int64_t i = 0; i < kN; ++i) {
      if (!in(i, j)) continue;
      ASSERT_EQ(cudaMemcpy(dc.get() + j * 6 + i, &c(i, j), sizeof(T), cudaMemcpyHostToDevice),
                cudaSuccess);
    }
  }
  ASSERT_EQ(syrk(uplo, t, kN, kK, T(0.5), da.get(), 7, beta, dc.get(), 6), CUBLAS_STATUS_SUCCESS);
  finish();
  Columns<T> got(kN, kN, 6);
  got.download(dc.get());
  for (int64_t j = 0; j < kN; ++j) {
    for (int64_t i = 0; i < kN; ++i) {
      if (!in(i, j)) {
        EXPECT_TRUE(std::isnan(got(i, j)));
        continue;
      }
      double sum = 0;
      for (int64_t p = 0; p < kK; ++p) sum += double{a.at(t, i, p)} * a.at(t, j, p);
      const double expected = 0.5 * sum + (beta == 0 ? 0 : double{beta} * c(i, j));
      EXPECT_NEAR(got(i, j), expected, 50 * std::numeric_limits<T>::epsilon());
    }
  }
}

TEST_F(BlasResults, Syrk) {
  for (const auto uplo : {CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER}) {
    for (const auto t : {CUBLAS_OP_N, CUBLAS_OP_T}) {
      check_syrk<double>(uplo, t, 0);
      check_syrk<double>(uplo, t, 3);
      check_syrk<float>(uplo, t, 0);
      check_syrk<float>(uplo, t, 3);
    }
  }
}

TEST_F(BlasResults, Trsm) {
  for (const auto side : {CUBLAS_SIDE_LEFT, CUBLAS_SIDE_RIGHT}) {
    for (const auto uplo : {CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER}) {
      for (const auto t : {CUBLAS_OP_N, CUBLAS_OP_T}) {
        constexpr int64_t kM = 4, kN = 3;
        const bool left = side == CUBLAS_SIDE_LEFT;
        const int64_t order = left ? kM : kN;
        auto a = Columns<double>::random(order, order, 6, 6);
        for (int64_t j = 0; j < order; ++j) {
          a(j, j) += 4;
          for (int64_t i = 0; i < order; ++i) {
            if (uplo == CUBLAS_FILL_MODE_LOWER ? i < j : i > j) a(i, j) = 0;
          }
        }
        const auto b = Columns<double>::random(kM, kN, 7, 7);
        const auto da = a.upload();
        const auto db = b.upload();
        const double alpha = 2;
        ASSERT_EQ(cublasDtrsm_64(handle_, side, uplo, t, CUBLAS_DIAG_NON_UNIT, kM, kN, &alpha,
                                 da.get(), 6, db.get(), 7),
                  CUBLAS_STATUS_SUCCESS);
        finish();
        Columns<double> x(kM, kN, 7);
        x.download(db.get());
        for (int64_t j = 0; j < kN; ++j) {
          for (int64_t i = 0; i < kM; ++i) {
            double sum = 0;
            for (int64_t p = 0; p < order; ++p) {
              sum += left ? a.at(t, i, p) * x(p, j) : x(i, p) * a.at(t, p, j);
            }
            EXPECT_NEAR(sum, 2 * b(i, j), 1e-14);
          }
        }
      }
    }
  }
}

TEST_F(BlasResults, Geam) {
  const auto a = Columns<double>::random(3, 4, 5, 8);
  const auto b = Columns<double>::random(4, 3, 6, 9);
  const auto da = a.upload();
  const auto db = b.upload();
  const auto dc = device_array<double>(7 * 3);
  const double alpha = 2, beta = -1, zero = 0;
  ASSERT_EQ(cublasDgeam_64(handle_, CUBLAS_OP_T, CUBLAS_OP_N, 4, 3, &alpha, da.get(), 5, &beta,
                           db.get(), 6, dc.get(), 7),
            CUBLAS_STATUS_SUCCESS);
  finish();
  Columns<double> c(4, 3, 7);
  c.download(dc.get());
  for (int64_t j = 0; j < 3; ++j) {
    for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(c(i, j), 2 * a(j, i) - b(i, j));
  }
  // A transpose cannot be in place.
  EXPECT_EQ(cublasDgeam_64(handle_, CUBLAS_OP_T, CUBLAS_OP_N, 3, 3, &alpha, da.get(), 5, &zero,
                           da.get(), 5, da.get(), 5),
            CUBLAS_STATUS_INVALID_VALUE);
}

}  // namespace
}  // namespace ncscope::simt
