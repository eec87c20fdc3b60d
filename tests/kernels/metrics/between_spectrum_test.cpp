#include "kernels/metrics/between_spectrum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/errors.h"
#include "tests/support/devices.h"
#include "tests/support/oracle_vectors.h"
#include "tests/support/random.h"

namespace ncscope::test {
namespace {

using oracle::Real;

class BetweenSpectrum : public DeviceTest {
 protected:
  // Random means of a rank, centred by weights, with columns scaled so that S_B is conditioned as
  // the square of `stretch` or so.
  void draw(size_t classes, size_t dim, size_t rank, double stretch, bool equal_weights) {
    Random random(classes * 131 + dim * 7 + rank);
    classes_ = classes;
    dim_ = dim;
    means_.assign(classes * dim, 0);
    const std::vector<double> mixing = random.normals(rank * dim);
    for (size_t c = 0; c < classes; ++c) {
      for (size_t k = 0; k < rank; ++k) {
        const double scale = std::pow(stretch, static_cast<double>(k) / static_cast<double>(rank));
        const double factor = random.normal() / scale;
        for (size_t j = 0; j < dim; ++j) {
          // Full rank needs no mixing.
          means_[c * dim + j] += rank == dim ? (j == k ? factor : 0) : factor * mixing[k * dim + j];
        }
      }
    }
    weights_.assign(classes, 1.0 / static_cast<double>(classes));
    double total = 0;
    for (double& w : weights_) total += w *= equal_weights ? 1 : 0.2 + random.uniform();
    std::vector<double> center(dim, 0);
    for (size_t c = 0; c < classes; ++c) {
      weights_[c] /= total;
      for (size_t j = 0; j < dim; ++j) center[j] += weights_[c] * means_[c * dim + j];
    }
    for (size_t c = 0; c < classes; ++c) {
      for (size_t j = 0; j < dim; ++j) means_[c * dim + j] -= center[j];
    }
    const std::vector<double> factor = random.normals(dim * dim);
    scatter_.assign(dim * dim, 0);
    for (size_t i = 0; i < dim; ++i) {
      for (size_t j = 0; j < dim; ++j) {
        for (size_t k = 0; k < dim; ++k)
          scatter_[i * dim + j] += factor[i * dim + k] * factor[j * dim + k];
      }
    }
  }

  metrics::BetweenSpectrum find() {
    const DeviceMatrix means = upload(means_, classes_, dim_);
    return metrics::between_spectrum(device(), means, weights_, {scatter_.data(), dim_, dim_}, 10);
  }

  // Right singular vectors of B = diag(sqrt w) M, as rows, with their eigenvalues of S_B; from the
  // smaller of BB^T and B^T B.
  oracle::Eigen singular_vectors() const {
    std::vector<Real> b(classes_ * dim_);
    for (size_t i = 0; i < b.size(); ++i) b[i] = std::sqrt(Real{weights_[i / dim_]}) * means_[i];
    const bool gram = classes_ <= dim_;
    const size_t n = gram ? classes_ : dim_;
    std::vector<Real> product(n * n, 0);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        for (size_t k = 0; k < (gram ? dim_ : classes_); ++k) {
          product[i * n + j] +=
              gram ? b[i * dim_ + k] * b[j * dim_ + k] : b[k * dim_ + i] * b[k * dim_ + j];
        }
      }
    }
    oracle::Eigen eigen = oracle::jacobi(product, n);
    if (!gram) return eigen;
    std::vector<Real> vectors(n * dim_, 0);
    for (size_t k = 0; k < n; ++k) {
      for (size_t c = 0; c < n; ++c) {
        for (size_t j = 0; j < dim_; ++j) {
          vectors[k * dim_ + j] += eigen.vectors[k * n + c] * b[c * dim_ + j];
        }
      }
      for (size_t j = 0; j < dim_; ++j) vectors[k * dim_ + j] /= std::sqrt(eigen.values[k]);
    }
    eigen.vectors = vectors;
    return eigen;
  }

  metrics::BetweenSpectrum expected() const {
    const oracle::Eigen eigen = singular_vectors();
    metrics::BetweenSpectrum out;
    const Real largest = *std::ranges::max_element(eigen.values);
    const Real cutoff = static_cast<Real>(std::max(classes_, dim_)) * 0x1p-52 * largest;
    Real smallest = largest, pinv = 0, span = 0;
    for (size_t k = 0; k < eigen.values.size(); ++k) {
      if (eigen.values[k] <= cutoff) continue;
      out.rank += 1;
      smallest = std::min(smallest, eigen.values[k]);
      const Real* v = &eigen.vectors[k * dim_];
      Real along = 0;
      for (size_t i = 0; i < dim_; ++i) {
        for (size_t j = 0; j < dim_; ++j) along += v[i] * scatter_[i * dim_ + j] * v[j];
      }
      span += along / 10;
      pinv += along / 10 / eigen.values[k];
    }
    out.largest = static_cast<double>(largest);
    out.smallest = static_cast<double>(smallest);
    out.cutoff = static_cast<double>(cutoff);
    out.pinv_trace = static_cast<double>(pinv);
    out.span_trace = static_cast<double>(span);
    return out;
  }

  void check(bool used_eigen) {
    const metrics::BetweenSpectrum got = find(), want = expected();
    const double condition = want.largest / want.smallest;
    const double inverse = 64 * 0x1p-52 * condition + 1e-12;
    EXPECT_EQ(got.rank, want.rank);
    EXPECT_EQ(got.used_eigen, used_eigen);
    EXPECT_NEAR(got.largest / want.largest, 1, 1e-12);
    EXPECT_NEAR(got.cutoff / want.cutoff, 1, 1e-12);
    EXPECT_NEAR(got.smallest / want.smallest, 1, inverse);
    EXPECT_NEAR(got.pinv_trace / want.pinv_trace, 1, inverse);
    EXPECT_NEAR(got.span_trace / want.span_trace, 1, inverse);
  }

  size_t classes_ = 0, dim_ = 0;
  std::vector<double> means_, weights_, scatter_;
};
NCSCOPE_TEST_ON_DEVICES(BetweenSpectrum);

TEST_P(BetweenSpectrum, TwoClassesInOneDimension) {
  draw(2, 1, 1, 1, true);
  check(false);
}

TEST_P(BetweenSpectrum, GramRoute) {
  for (const bool equal : {true, false}) {
    draw(5, 33, 33, 1, equal);
    check(false);
    draw(41, 67, 67, 10, equal);
    check(false);
  }
}

TEST_P(BetweenSpectrum, AsManyClassesAsTheDimensionsSpan) {
  for (const bool equal : {true, false}) {
    draw(35, 34, 34, 3, equal);
    check(false);
  }
}

TEST_P(BetweenSpectrum, ScatterRoute) {
  for (const bool equal : {true, false}) {
    draw(71, 33, 33, 10, equal);
    check(false);
    draw(3, 1, 1, 1, equal);
    check(false);
  }
}

TEST_P(BetweenSpectrum, WeightedRowsAreSummedInBlocks) {
  draw(5000, 5, 5, 2, false);
  check(false);
}

TEST_P(BetweenSpectrum, DimensionsBeyondOnePanel) {
  draw(9, 600, 600, 2, false);
  check(false);
  draw(12, 300, 4, 3, true);
  check(true);
}

TEST_P(BetweenSpectrum, ScatterRouteBeyondOnePanel) {
  // Means +-s_j e_j: S_B is diagonal with s_j^2 / d.
  const size_t dim = 300;
  draw(2, dim, dim, 1, true);  // for S_W
  classes_ = 2 * dim;
  weights_.assign(classes_, 0.5 / static_cast<double>(dim));
  means_.assign(classes_ * dim, 0);
  double trace = 0, pinv = 0;
  for (size_t j = 0; j < dim; ++j) {
    const double s = 1 + static_cast<double>(j % 7);
    means_[2 * j * dim + j] = s;
    means_[(2 * j + 1) * dim + j] = -s;
    trace += scatter_[j * dim + j] / 10;
    pinv += scatter_[j * dim + j] / 10 / (s * s / static_cast<double>(dim));
  }
  const metrics::BetweenSpectrum got = find();
  EXPECT_EQ(got.rank, dim);
  EXPECT_FALSE(got.used_eigen);
  EXPECT_NEAR(got.largest * static_cast<double>(dim) / 49, 1, 1e-12);
  EXPECT_NEAR(got.smallest * static_cast<double>(dim), 1, 1e-12);
  EXPECT_NEAR(got.pinv_trace / pinv, 1, 1e-12);
  EXPECT_NEAR(got.span_trace / trace, 1, 1e-12);
}

TEST_P(BetweenSpectrum, RankDeficientOnTheGramRoute) {
  for (const bool equal : {true, false}) {
    draw(12, 33, 4, 3, equal);
    check(true);
  }
}

TEST_P(BetweenSpectrum, RankDeficientOnTheScatterRoute) {
  for (const bool equal : {true, false}) {
    draw(71, 33, 20, 3, equal);
    check(true);
  }
}

TEST_P(BetweenSpectrum, IllConditionedButOfFullRank) {
  draw(33, 33, 33, 1e4, true);
  check(false);
  draw(71, 33, 33, 1e5, false);
  check(false);
}

TEST_P(BetweenSpectrum, OneClassIsRefused) {
  draw(1, 3, 3, 1, true);
  EXPECT_THROW(find(), InvalidArgument);
}

TEST_P(BetweenSpectrum, SameBitsTwice) {
  draw(41, 67, 67, 10, true);
  EXPECT_EQ(find().pinv_trace, find().pinv_trace);
  EXPECT_EQ(find().smallest, find().smallest);
}

}  // namespace
}  // namespace ncscope::test
