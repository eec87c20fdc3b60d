// Kernels of the sweep over pairs of classes: a panel of products comes in, sums and nearest
// classes go out; nothing of the panel stays.
#pragma once

#include "kernels/cuda/handles.h"
#include "kernels/unit_rows.h"

namespace ncscope::cuda {

// A pair of classes and the value that singles it out; first < 0: none yet.
struct PairValue {
  double value;
  int first;
  int second;
};

// Mean and sum of squared deviations.
struct PairMoments {
  double mean;
  double m2;
};

// Sums over pairs c < c'; see PairSums. Members of 16 bytes come first: they may move at once.
struct alignas(16) PairPart {
  PairMoments cosine;
  PairMoments distance;  // of unit rows
  PairMoments log;
  PairMoments riesz;
  PairValue coherence;
  PairValue cdnv_worst;
  PairValue equal;
  PairValue aligned;
  unsigned long long pairs;
  unsigned long long directed;  // of `cosine` and `distance`
  unsigned long long apart;     // of `log` and `riesz`
  double max_angle_sum;
  double cdnv_sum;
  double cdnv_fourth_sum;
  double off_diagonal;  // of gram_residual, each pair once
};

// The classes; all memory is the card's.
struct PairClasses {
  const double* rows;  // [classes, dim] x_c
  size_t stride;
  size_t dim;
  int classes;
  const double* squared_norms;  // [classes]
  const double* inverse_norms;  // [classes] 0 for a zero vector
  const double* variances;      // [classes], or null
  const double* resolution;     // [classes], or null
  const double* directions;     // [classes] direction_resolution()
  RieszPower riesz;
  double ideal;       // 1 / (P - 1)
  double ideal_gram;  // alpha E_cc' for c != c'
};

// Products of classes [row0, row0 + rows) with [col0, col0 + cols), row0 <= col0.
struct PairPanel {
  const double* products;
  size_t stride;
  int row0;
  int rows;
  int col0;
  int cols;
};

// What all panels leave, and room for what one leaves.
struct PairResults {
  PairPart* total;         // [1]
  double* nearest_square;  // [classes]
  int* nearest;            // [classes]
  PairPart* parts;         // [pair_blocks(panel)]
  double* row_square;      // [column blocks, rows] smallest squared distance in a block
  int* row_nearest;
  double* col_square;  // [row blocks, cols]
  int* col_nearest;
};

size_t pair_row_blocks(size_t rows);
size_t pair_col_blocks(size_t cols);

// Sets totals to those of no pairs, and nearest classes to none.
void start_pairs(cudaStream_t stream, int classes, const PairResults& results);
// Adds the pairs row < column of a panel.
void sweep_panel(cudaStream_t stream, const PairClasses& classes, const PairPanel& panel,
                 const PairResults& results);

// *total += sum over the panel of (<a_c, b_c'> - alpha E_cc')^2; `diagonal` is alpha E_cc. `parts`
// [row blocks * column blocks] is workspace.
void add_residual(cudaStream_t stream, const PairPanel& panel, double off_diagonal, double diagonal,
                  double* parts, double* total);

}  // namespace ncscope::cuda
