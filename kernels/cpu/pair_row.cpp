#include "kernels/cpu/pair_row.h"

#include <cmath>
#include <limits>

#include "kernels/clones.h"

namespace ncscope {

NCSCOPE_CLONES bool pair_distances(const double* g, const PairRow& row, const PairColumns& columns,
                                   double* squares) {
  const double* const norms = columns.squared_norms;
  const double norm = row.squared_norm;
  unsigned cancels = 0;
  for (size_t j = 0; j < columns.n; ++j) {
    const double both = norm + norms[j];
    squares[j] = both - 2 * g[j];
    cancels |= static_cast<unsigned>(squares[j] < kPairCancels * both);
  }
  // Zero vectors are at distance zero without cancelling.
  return cancels != 0;
}

NCSCOPE_CLONES void pair_cosines(const double* g, const PairRow& row, const PairColumns& columns,
                                 double ideal, double* cosines, double* angles) {
  const double* const inverses = columns.inverse_norms;
  const double inverse = row.inverse_norm;
  for (size_t j = 0; j < columns.n; ++j) {
    const double cosine = (g[j] * inverse) * inverses[j];
    const double angle = std::fabs(cosine + ideal);
    cosines[j] = inverses[j] > 0 ? cosine : 0;
    angles[j] = inverses[j] > 0 ? angle : 0;
  }
}

NCSCOPE_CLONES void pair_deviations(const double* cosines, const PairColumns& columns, double mean,
                                    double* out) {
  const double* const inverses = columns.inverse_norms;
  for (size_t j = 0; j < columns.n; ++j) {
    const double deviation = cosines[j] - mean;
    out[j] = inverses[j] > 0 ? deviation * deviation : 0;
  }
}

namespace {

constexpr double kExcluded = -std::numeric_limits<double>::infinity();

// Squared distance up to which the pair is equal.
[[gnu::always_inline]] inline double equal_square(const PairRow& row, const PairColumns& columns,
                                                  size_t j) {
  const double distance =
      row.resolution + (columns.resolution == nullptr ? 0 : columns.resolution[j]);
  return distance * distance;
}

}  // namespace

NCSCOPE_CLONES void pair_cdnv(const double* squares, const PairRow& row, const PairColumns& columns,
                              double* cdnv, double* fourth) {
  const double* const variances = columns.variances;
  for (size_t j = 0; j < columns.n; ++j) {
    const bool equal = squares[j] <= equal_square(row, columns, j);
    const double value = 0.5 * (row.variance + variances[j]) / squares[j];
    cdnv[j] = equal ? 0 : value;
    fourth[j] = equal ? 0 : value / squares[j];
  }
}

size_t first_equal(const double* squares, const PairRow& row, const PairColumns& columns) {
  for (size_t j = 0; j < columns.n; ++j) {
    if (squares[j] <= equal_square(row, columns, j)) return j;
  }
  return columns.n;
}

void exclude_equal(const double* squares, const PairRow& row, const PairColumns& columns,
                   double* values) {
  for (size_t j = 0; j < columns.n; ++j) {
    if (squares[j] <= equal_square(row, columns, j)) values[j] = kExcluded;
  }
}

void exclude_zero_vectors(const PairColumns& columns, double* values) {
  for (size_t j = 0; j < columns.n; ++j) {
    if (columns.inverse_norms[j] == 0) values[j] = kExcluded;
  }
}

NCSCOPE_CLONES void update_nearest(const double* squares, size_t n, double row, double* nearest,
                                   double* index) {
  for (size_t j = 0; j < n; ++j) {
    const bool nearer = squares[j] < nearest[j];
    nearest[j] = nearer ? squares[j] : nearest[j];
    index[j] = nearer ? row : index[j];
  }
}

}  // namespace ncscope
