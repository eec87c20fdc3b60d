// Distances of unit rows and their kernels, one row of pairs at a time; see kernels/unit_rows.h.
#pragma once

#include <cstddef>

#include "kernels/device.h"
#include "kernels/unit_rows.h"

namespace ncscope {

// squares[j] = ||u - u_j||^2 = 2 - 2 cos_j. Returns whether any of them cancels.
bool unit_squares(const double* cosines, size_t n, double* squares);

// ||u - v||^2 of the directions u, v of two rows of given norms, from differences.
double unit_squared_distance(const double* x, double x_norm, const double* y, double y_norm,
                             size_t dim);

// Moments of D, log(1/D) and the Riesz kernel over n pairs.
struct UniformityMoments {
  Moments distance;
  Moments log;
  Moments riesz;
};

// Of n >= 1 positive squares D^2; there must be room for simd::kLanes more, which are overwritten.
UniformityMoments uniformity_moments(double* squares, size_t n, const RieszPower& power);

}  // namespace ncscope
