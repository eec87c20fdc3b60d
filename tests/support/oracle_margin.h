// The one-vs-rest margin again, as plain loops: pairwise steps with exact line search
// (Lacoste-Julien and Jaggi 2015) for every row by itself, until its own duality gap is nothing.
#pragma once

#include <cstddef>
#include <vector>

namespace ncscope::test {

struct OracleMargin {
  double value = 0;
  double gap = 0;  // the margin is in [value - gap, value]
  size_t row = 0;  // the first that has it
};

// Of rows [m, dim] as they are, none of them zero.
OracleMargin oracle_margin(const std::vector<double>& rows, size_t dim);

// The same after their mean is taken off.
OracleMargin oracle_margin_centered(const std::vector<double>& rows, size_t dim);

}  // namespace ncscope::test
