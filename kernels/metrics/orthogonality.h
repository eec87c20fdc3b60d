// Class means of train against the mean of out-of-distribution samples (NECO, arXiv 2310.06823).
#pragma once

#include <optional>
#include <string>

#include "kernels/metrics/analysis.h"

namespace ncscope::metrics {

struct Orthogonality {
  std::optional<double> value;
  std::string reason;  // why there is none
};

// Mean over the classes of train of |cos(mu_c, mu_G(ood))|, in [0, 1], ideal 0, for an analysis of
// samples that are out of distribution; `weighting` of their classes in mu_G(ood).
Orthogonality orthogonality(const Analysis& analysis, Weighting weighting);

}  // namespace ncscope::metrics
