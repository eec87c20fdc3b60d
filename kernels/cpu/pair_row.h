// One row of pairs against a run of columns: vector loops over arrays that fit a first-level cache.
#pragma once

#include <cstddef>

namespace ncscope {

// Columns of one run; all arrays hold `n` elements.
struct PairColumns {
  size_t n = 0;
  const double* squared_norms = nullptr;  // ||x_j||^2
  const double* inverse_norms = nullptr;  // 1 / ||x_j||, or 0 for a zero vector
  const double* variances = nullptr;      // v_j, or null
  const double* resolution = nullptr;     // or null
};

// The same of the row.
struct PairRow {
  double squared_norm = 0;
  double inverse_norm = 0;
  double variance = 0;
  double resolution = 0;
};

// Distances below this share of the squared norms are taken from differences instead: what is left
// then is good to 2^-53 / 2^-10, about 1e-13.
inline constexpr double kPairCancels = 0x1p-10;

// squares[j] = ||x - x_j||^2 from the products g. Returns whether any of them cancels.
bool pair_distances(const double* g, const PairRow& row, const PairColumns& columns,
                    double* squares);

// cosines[j], 0 for zero vectors, and angles[j] = |cos + ideal|, 0 for zero vectors.
void pair_cosines(const double* g, const PairRow& row, const PairColumns& columns, double ideal,
                  double* cosines, double* angles);

// out[j] = (cos_j - mean)^2, 0 for zero vectors.
void pair_deviations(const double* cosines, const PairColumns& columns, double mean, double* out);

// cdnv[j] = (v + v_j) / (2 square_j) and fourth[j] = cdnv_j / square_j; both 0 for equal pairs.
void pair_cdnv(const double* squares, const PairRow& row, const PairColumns& columns, double* cdnv,
               double* fourth);

// The lowest j whose pair is equal, or n.
size_t first_equal(const double* squares, const PairRow& row, const PairColumns& columns);

// values[j] = -infinity for equal pairs, or for zero vectors, so that none of them is the largest.
void exclude_equal(const double* squares, const PairRow& row, const PairColumns& columns,
                   double* values);
void exclude_zero_vectors(const PairColumns& columns, double* values);

// Where squares[j] < nearest[j]: nearest[j] = squares[j] and index[j] = row.
void update_nearest(const double* squares, size_t n, double row, double* nearest, double* index);

}  // namespace ncscope
