// What devices share about the unit rows u_c = x_c / ||x_c|| in a sweep over pairs: the kernels of
// their distances D = ||u_c - u_c'|| are those of GNC, arXiv 2303.06484.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "kernels/device.h"

namespace ncscope {

// D^2 = 2 - 2 cos is off by some 2^-52. Where it is below this, it is taken from differences of the
// rows instead: what is left is good to 1e-12.
inline constexpr double kUnitsCancel = 0x1p-9;

// The Riesz kernel D^-s, s = d - 2 > 0, over its value on a simplex of P rows, whose D^2 is
// 2 P/(P-1): y^whole, times y^(1/2) where s is odd, with y = ideal_square / D^2. Beside it powers
// of large d stay in range. 1 where d <= 2.
struct RieszPower {
  double ideal_square = 2;
  double ideal = 1;  // its root
  unsigned whole = 0;
  bool odd = false;
};

inline RieszPower riesz_power(size_t rows, size_t dim) {
  RieszPower out;
  out.ideal_square = 2 * (static_cast<double>(rows) / static_cast<double>(rows - 1));
  out.ideal = std::sqrt(out.ideal_square);
  if (dim <= 2) return out;
  out.whole = static_cast<unsigned>((dim - 2) / 2);
  out.odd = dim % 2 != 0;
  return out;
}

// Up to which distance from another a unit row has the same direction: u_c and u_c' are aligned
// where D <= directions[c] + directions[c']. Far below the root of kUnitsCancel.
inline std::vector<double> direction_resolution(const PairInput& input,
                                                std::span<const double> inverse_norms) {
  std::vector<double> out(input.rows.rows, 0x1p-48);  // kVectorRounding
  for (size_t c = 0; c < input.resolution.size(); ++c) {
    out[c] = std::min(out[c] + input.resolution[c] * inverse_norms[c], 0x1p-6);
  }
  return out;
}

}  // namespace ncscope
