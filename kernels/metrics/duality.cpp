#include "kernels/metrics/duality.h"

#include <algorithm>
#include <cmath>

namespace ncscope::metrics {

Duality duality_of(Device& device, ConstMatrix weight, ConstMatrix means,
                   std::span<const double> squared_mean_norms,
                   const std::vector<bool>& zero_means) {
  Duality out;
  out.weight = device.upload(weight);
  out.squared_weight_norms = device.row_dots(out.weight, out.weight);
  out.dots = device.row_dots(out.weight, means);
  out.cosines.resize(means.rows);
  for (size_t c = 0; c < means.rows; ++c) {
    if (zero_means[c] || out.squared_weight_norms[c] == 0) continue;
    const double norms = std::sqrt(out.squared_weight_norms[c]) * std::sqrt(squared_mean_norms[c]);
    out.cosines[c] = std::clamp(out.dots[c] / norms, -1.0, 1.0);
  }
  return out;
}

}  // namespace ncscope::metrics
