// The numerical rank, extreme eigenvalues and pseudo-inverse of S_B, without a dense pinv.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/device.h"

namespace ncscope::metrics {

// With B = diag(sqrt(w)) M, S_B = B^T B. Where P-1 <= d the P x P matrix BB^T + a zz^T is factored,
// z the known null vector sqrt(w); else the d x d matrix S_B. Cholesky first; the eigen-
// decomposition only where the factor or its extreme eigenvalues say that S_B is rank-deficient.
//
// Accuracy: products of B with itself are taken in float64, so `smallest`, and the share of
// pinv_trace that comes from it, are relative to eps * condition; `largest` is relative to eps.
struct BetweenSpectrum {
  size_t rank = 0;
  double cutoff = 0;         // eigenvalues of S_B at or below count as zero
  double largest = 0;        // lambda_max
  double smallest = 0;       // smallest eigenvalue above the cut-off
  bool used_eigen = false;   // whether Cholesky was not enough
  double pinv_trace = 0;     // tr(S_W S_B^+)
  double span_trace = 0;     // tr of S_W inside span(S_B)
  double inverse_trace = 0;  // tr(S_B^+); where P-1 > d from 16 random vectors, to a factor of 2
  DeviceMatrix root;         // [rank, d] A of full rank with S_B = A^T A; empty unless used_eigen
};

// `means` M [P, d] in device memory, not all zero; `products` MM^T [P, P] likewise, which is used
// up, or empty: it is computed then; `weights` w [P] summing to 1; `scatter` N S_W [d, d] in host
// memory and `samples` N. The cut-off is max(P, d) eps lambda_max or, if that is larger, `noise`:
// the mean square of the rounding errors of M's rows, over min(P-1, d). `null` z [P], of length 1,
// is the known null vector of BB^T where it is not sqrt(w): M's rows then are not centred on their
// mean of weights w. Takes device memory for the
// factored matrix, where P-1 <= d for one more [P, d], and for some panels. Source: METRICS.md
// section 3.3. Throws NumericalError from the eigen-decomposition, InvalidArgument for P < 2.
BetweenSpectrum between_spectrum(Device& device, ConstMatrix means, std::span<const double> weights,
                                 ConstMatrix scatter, double samples, double noise = 0,
                                 DeviceMatrix products = {}, std::span<const double> null = {});

}  // namespace ncscope::metrics
