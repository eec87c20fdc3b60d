// Vector loops of argmax_affine over one row.
#pragma once

#include <cstddef>

namespace ncscope {

// The two largest scores so far, and the place of the largest.
struct TopTwo {
  double best;
  double second;
  size_t place;
};

// Takes scores dots[j] + offsets[j] of classes first + j. Which of equal scores counts as the best
// is not said.
void update_top_two(const float* dots, const double* offsets, size_t n, size_t first, TopTwo& top);
void update_top_two(const double* dots, const double* offsets, size_t n, size_t first, TopTwo& top);

// sums[k] = <rows[k], h>, each summed in the order of the columns.
inline constexpr size_t kExactClasses = 8;
void exact_dots(const double* const* rows, const double* h, size_t n, double* sums);
// sums[k] = ||rows[k] - h||^2, likewise.
void exact_distances(const double* const* rows, const double* h, size_t n, double* sums);

// out[j] = in[j] - center[j], rounded; returns the squared norm before rounding. center may be
// null.
double center_row(const double* in, const double* center, size_t n, float* out);
double center_row(const double* in, const double* center, size_t n, double* out);

}  // namespace ncscope
