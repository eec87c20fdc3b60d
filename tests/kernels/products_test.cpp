#include "kernels/cpu/products.h"

#include <gtest/gtest.h>

#include <limits>
#include <tuple>
#include <vector>

#include "kernels/cpu/blas_library.h"
#include "tests/support/random.h"

namespace ncscope::test {
namespace {

class Products : public ::testing::Test {
 protected:
  void SetUp() override { blas::take_threads(); }
  ThreadPool one_{1};
  ThreadPool three_{3};
};

// A matrix within a larger one, so that strides matter.
template <class T>
struct Padded {
  size_t rows, cols, stride;
  std::vector<T> values;
  Padded(size_t r, size_t c, uint64_t seed) : rows(r), cols(c), stride(c + 3) {
    for (const double x : Random(seed).normals(r * stride)) values.push_back(static_cast<T>(x));
  }
  const T* data() const { return values.data(); }
  T at(size_t r, size_t c) const { return values[r * stride + c]; }
};

template <class T>
double tolerance(size_t k) {
  return 40 * static_cast<double>(k) * std::numeric_limits<T>::epsilon();
}

template <class T>
void check_gemm(ThreadPool& one, ThreadPool& three, size_t m, size_t n, size_t k) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const Padded<T> a(ta ? k : m, ta ? m : k, 1), b(tb ? n : k, tb ? k : n, 2);
      Padded<T> c(m, n, 3);
      Padded<T> again = c;
      const Padded<T> before = c;
      products::gemm<T>(one, ta, tb, m, n, k, T(0.5), a.data(), a.stride, b.data(), b.stride, T(2),
                        c.values.data(), c.stride);
      products::gemm<T>(three, ta, tb, m, n, k, T(0.5), a.data(), a.stride, b.data(), b.stride,
                        T(2), again.values.data(), again.stride);
      EXPECT_EQ(c.values, again.values) << "the bits depend on the threads";
      for (size_t i = 0; i < m; i += 7) {
        for (size_t j = 0; j < n; j += 5) {
          double sum = 2 * double{before.at(i, j)};
          for (size_t l = 0; l < k; ++l) {
            sum +=
                0.5 * double{ta ? a.at(l, i) : a.at(i, l)} * double{tb ? b.at(j, l) : b.at(l, j)};
          }
          ASSERT_NEAR(c.at(i, j), sum, tolerance<T>(k)) << i << ", " << j;
        }
        for (size_t j = n; j < c.stride; ++j) ASSERT_EQ(c.at(i, j), before.at(i, j));
      }
    }
  }
}

TEST_F(Products, GemmOfBlocksThatDoNotFit) {
  for (const auto& [m, n, k] : {std::tuple<size_t, size_t, size_t>{300, 270, 40},
                                {256, 512, 30},
                                {257, 1, 33},
                                {3, 700, 20},
                                {1, 1, 1}}) {
    SCOPED_TRACE(::testing::Message() << m << " x " << n << " x " << k);
    check_gemm<float>(one_, three_, m, n, k);
    check_gemm<double>(one_, three_, m, n, k);
  }
}

template <class T>
void check_syrk(ThreadPool& one, ThreadPool& three, size_t n, size_t k) {
  for (const bool transpose : {false, true}) {
    const Padded<T> a(transpose ? k : n, transpose ? n : k, 4);
    Padded<T> c(n, n, 5);
    Padded<T> again = c;
    const Padded<T> before = c;
    products::syrk_upper<T>(one, transpose, n, k, T(2), a.data(), a.stride, T(1), c.values.data(),
                            c.stride);
    products::syrk_upper<T>(three, transpose, n, k, T(2), a.data(), a.stride, T(1),
                            again.values.data(), again.stride);
    EXPECT_EQ(c.values, again.values) << "the bits depend on the threads";
    for (size_t i = 0; i < n; i += 3) {
      for (size_t j = 0; j < i; ++j) ASSERT_EQ(c.at(i, j), before.at(i, j)) << "below the diagonal";
      for (size_t j = i; j < n; j += 11) {
        double sum = before.at(i, j);
        for (size_t l = 0; l < k; ++l) {
          sum +=
              2 * (transpose ? double{a.at(l, i)} * a.at(l, j) : double{a.at(i, l)} * a.at(j, l));
        }
        ASSERT_NEAR(c.at(i, j), sum, 4 * tolerance<T>(k)) << i << ", " << j;
      }
    }
  }
}

TEST_F(Products, SyrkOfBlocksThatDoNotFit) {
  for (const auto& [n, k] : {std::pair<size_t, size_t>{600, 31}, {256, 20}, {257, 20}, {5, 300}}) {
    SCOPED_TRACE(::testing::Message() << n << " x " << k);
    check_syrk<float>(one_, three_, n, k);
    check_syrk<double>(one_, three_, n, k);
  }
}

TEST_F(Products, TriangularSolveUndoesTheProduct) {
  constexpr size_t n = 60;
  for (const size_t columns : {1, 127, 128, 300}) {
    std::vector<double> factor = Random(6).normals(n * n);
    for (size_t i = 0; i < n; ++i) factor[i * n + i] = 20;
    const std::vector<double> b = Random(7).normals(n * columns);
    for (const bool transpose : {false, true}) {
      std::vector<double> x = b, again = b;
      products::triangular_solve(one_, transpose, {factor.data(), n, n}, {x.data(), n, columns});
      products::triangular_solve(three_, transpose, {factor.data(), n, n},
                                 {again.data(), n, columns});
      EXPECT_EQ(x, again);
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < columns; j += 13) {
          double sum = 0;
          for (size_t l = 0; l < n; ++l) {
            const double entry =
                transpose ? (l >= i ? factor[l * n + i] : 0) : (l <= i ? factor[i * n + l] : 0);
            sum += entry * x[l * columns + j];
          }
          ASSERT_NEAR(sum, b[i * columns + j], 1e-12);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ncscope::test
