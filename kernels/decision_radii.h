// Balls about points in which a decision is known: a distance then stands for the scores of all
// classes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/device.h"

namespace ncscope {

struct DecisionPoints {
  ConstMatrix points;                // [m, d] p_i, device memory
  std::span<const double> origin;    // [d] p_i stands for the sample p_i + origin; host
  std::span<const uint32_t> places;  // [m] the row of the scores that is to win there
};

// A radius for each point: argmax_affine decides for places[i], in whatever type, every sample
// whose distance from p_i, as point_distances takes it about the same origin, is below radius i. 0
// where another row may win at the point itself. Scores are affine, so the margin over row c is
// used up at its value at p_i over ||a_i - a_c|| at the earliest; the radius is the smallest of
// these, less what rounding may do to any of the numbers. Nearest centres: half the distance to the
// next one.
//
// Two products of float64 of m x scores.rows.rows x d, one where the scores are the points
// themselves; memory O(m + scores.rows.rows) and tiles.
std::vector<double> decision_radii(Device& device, const AffineScores& scores,
                                   const DecisionPoints& points);

}  // namespace ncscope
