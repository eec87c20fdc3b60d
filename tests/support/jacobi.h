// Eigenvalues of small symmetric matrices, for oracles: no BLAS, no LAPACK.
#pragma once

#include <cstddef>
#include <vector>

namespace ncscope::oracle {

using Real = long double;

struct Eigen {
  std::vector<Real> values;   // [n] in no order
  std::vector<Real> vectors;  // [n, n] row k belongs to values[k]
};

// Of a symmetric [n, n] matrix, by cyclic Jacobi rotations until nothing is left off the diagonal.
Eigen jacobi(std::vector<Real> matrix, size_t n);

}  // namespace ncscope::oracle
