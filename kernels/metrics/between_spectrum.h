// The numerical rank, extreme eigenvalues and pseudo-inverse of S_B, without a dense pinv.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/device.h"

namespace ncscope::metrics {

// With B = diag(sqrt(w)) M, S_B = B^T B. Where P-1 <= d the P x P matrix BB^T + a zz^T is factored,
// z the known null vector sqrt(w); else the d x d matrix S_B. Cholesky first; the eigen-
// decomposition only where the factor or its extreme eigenvalues say that S_B is rank-deficient.
struct BetweenSpectrum {
  size_t rank = 0;
  double cutoff = 0;        // eigenvalues of S_B at or below count as zero: max(P,d) eps lambda_max
  double largest = 0;       // lambda_max
  double smallest = 0;      // smallest eigenvalue above the cut-off
  bool used_eigen = false;  // whether Cholesky was not enough
  double pinv_trace = 0;    // tr(S_W S_B^+)
  double span_trace = 0;    // tr of S_W inside span(S_B)
};

// `means` M [P, d] and `within` S_W [d, d] in device memory, `weights` w [P] summing to 1.
// Source: METRICS.md section 3.3. Throws NumericalError from the eigen-decomposition.
BetweenSpectrum between_spectrum(Device& device, ConstMatrix means, ConstMatrix within,
                                 std::span<const double> weights);

}  // namespace ncscope::metrics
