// tr((I + G)^-1) of a Gram matrix G whose eigenvalues may be of any sizes at once.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "kernels/device.h"

namespace ncscope::metrics {

// Eigenvalues of a symmetric matrix of this order are off by this share of the largest.
double rounding_of(size_t order);

// The sum of squares of a matrix in device memory.
double square_of(Device& device, ConstMatrix a);

// G = A S^-1 A^T [m, m] for rows A [m, d].
struct GradedGram {
  DeviceMatrix matrix;
  // [m] G_ij is off by about eps (loose_i + tight_i) tight_j. Both are as large as their rows.
  std::vector<double> loose;
  std::vector<double> tight;
};
using GramOf = std::function<GradedGram(ConstMatrix rows)>;

struct GradedTrace {
  double value = 0;     // tr((I + G)^-1)
  double error = 0;     // how far rounding may have moved it, from some random vectors
  ConstMatrix rows;     // [m, d] U A, U orthogonal; A itself where U = I
  DeviceMatrix turned;  // its memory, if it is not A's
  DeviceMatrix once;    // [m, kTraceSigns] (I + G)^-1 Z, Z random signs and G that of U A
  DeviceMatrix twice;   // [m, kTraceSigns] (I + G)^-2 Z
};

// Random vectors behind an estimated norm.
inline constexpr size_t kTraceSigns = 8;

// [n, kTraceSigns] numbers of random sign, the same ones always; row r of size sizes[r].
DeviceMatrix signed_columns(Device& device, std::span<const double> sizes);

// An eigenvalue g of G leaves a rounding error of eps g in every element, which is more than what
// small eigenvalues are where all rows share its direction. Where the error shows, A is turned by
// the eigenvectors of I + G and G computed once more: then rows differ in size, elements are as
// exact as their rows are small, and a Cholesky factor keeps that (Higham, Accuracy and Stability
// of Numerical Algorithms, 10.1). Throws NumericalError where that does not help either. A turn
// costs 9 m^3 + 2 d m^2, beside another G.
GradedTrace graded_trace(Device& device, ConstMatrix rows, const GramOf& gram_of);

}  // namespace ncscope::metrics
