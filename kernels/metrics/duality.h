// Each class's classifier row against its centred mean, for nc3 and classes[].
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kernels/device.h"

namespace ncscope::metrics {

struct Duality {
  DeviceMatrix weight;                         // W [P, d], device
  std::vector<double> squared_weight_norms;    // [P] ||w_c||^2
  std::vector<double> dots;                    // [P] <w_c, M_c>
  std::vector<std::optional<double>> cosines;  // [P]; none where a vector is zero
};

// `weight` [P, d] in host memory, `means` M [P, d] in device memory, `zero_means` [P] whether M_c
// is zero.
Duality duality_of(Device& device, ConstMatrix weight, ConstMatrix means,
                   std::span<const double> squared_mean_norms, const std::vector<bool>& zero_means);

}  // namespace ncscope::metrics
