// The smallest distance of a unit row to the convex hull of the others (GNC, arXiv 2310.05351),
// with a bound on its error.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/device.h"
#include "kernels/metrics/hull_rows.h"

namespace ncscope::metrics {

// One row's search for its nearest point x_c of the hull of the others.
struct HullSearch {
  size_t row = 0;               // c
  std::vector<HullAtom> atoms;  // of x_c; none yet: the mean of the others
  double lower = 0;             // the distance is at least this
  bool nearest = false;         // whether x_c is the nearest point of the hull of its rows
};

// What is known of the smallest distance.
struct HullMargin {
  double value = std::numeric_limits<double>::infinity();  // >= the smallest, rounding included
  size_t row = 0;                                          // whose distance that is
  std::vector<HullAtom> atoms;                             // of the point at that distance
  double lower = std::numeric_limits<double>::infinity();  // <= the smallest, rounding included

  double slack = 0;  // of absolute rounding, from which on a bound is good enough

  // Whether a row at this distance at least need not be looked at again.
  bool settles(double distance) const { return distance >= value * (1 - 0x1p-33) - slack; }
  // Takes leave of a row.
  void settle(double distance) { lower = std::min(lower, std::max(distance, 0.0)); }
};

// Of P >= 2 rows none of which is zero. All rows are searched together, in rounds. A round
// multiplies u_c - x_c with all rows, as one product: that bounds the distance from below, by
//   (<u_c, g> - max_{j != c} <u_j, g>) / ||g||,  g = u_c - x_c,
// and names rows to take in; rows whose bound is no less than the smallest distance found leave. Of
// the others the nearest point of the hull of their few rows comes from Wolfe's method
// (min_norm_point.h). Where P - 1 <= d accelerated projected gradients go first
// (hull_descent.h). What is left after 64 rounds, or earlier where they have cost much (2^36
// multiplications of the host, or 4 times the device's pair_budget()), shows in `lower`.
HullMargin hull_margin(Device& device, const HullRows& rows, ConstMatrix device_rows);

}  // namespace ncscope::metrics
