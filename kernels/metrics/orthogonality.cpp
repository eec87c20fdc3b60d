#include "kernels/metrics/orthogonality.h"

#include <algorithm>
#include <cmath>

#include "kernels/metrics/class_weights.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {
namespace {

// Whether a mean of vectors of root mean square `size` is zero to rounding.
bool is_zero(double norm, double size) { return norm <= kVectorRounding * size; }

}  // namespace

Orthogonality orthogonality(const Analysis& analysis, Weighting weighting) {
  if (analysis.evaluation()->train == nullptr) return {{}, analysis.evaluation()->no_train};
  const Statistics& ood = analysis.statistics();
  const Statistics& train = *analysis.evaluation()->train;
  const size_t dim = ood.dim;
  if (train.dim != dim) {
    return {{},
            "the train split has d = " + std::to_string(train.dim) +
                ", this one d = " + std::to_string(dim)};
  }
  const std::vector<double> mean =
      weighted_mean({ood.means.data(), ood.present(), dim}, class_weights(ood, weighting));
  const double length = norm_of(mean);
  if (is_zero(length, std::sqrt(ood.sum_squares / static_cast<double>(ood.samples)))) {
    return {{}, "the mean of all samples is zero"};
  }
  double sum = 0;
  for (size_t c = 0; c < train.present(); ++c) {
    const double* row = train.means.data() + c * dim;
    const double norm = norm_of({row, dim});
    const double spread = std::sqrt(train.within[c] / static_cast<double>(train.counts[c]));
    if (is_zero(norm, std::hypot(norm, spread))) {
      return {{}, "the train mean of class " + std::to_string(train.classes[c]) + " is zero"};
    }
    double cosine = 0;
    for (size_t j = 0; j < dim; ++j) cosine += (row[j] / norm) * (mean[j] / length);
    sum += std::min(1.0, std::fabs(cosine));
  }
  return {sum / static_cast<double>(train.present()), ""};
}

}  // namespace ncscope::metrics
