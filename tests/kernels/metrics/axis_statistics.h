// States whose scatter is known without samples.
#pragma once

#include <vector>

#include "kernels/statistics.h"

namespace ncscope::test {

// Spacing of the types that products may be taken in.
inline constexpr double kFloat = 0x1p-23, kDouble = 0x1p-52;

// A state of class means and variances along the axes, with products of a type's precision.
inline Statistics axis_statistics(size_t dim, const std::vector<double>& means,
                                  const std::vector<double>& variances, double epsilon) {
  Statistics s = Statistics::empty(means.size() / dim, dim, DType::kFloat32);
  s.samples = 2 * s.num_classes;
  s.means = means;
  const auto samples = static_cast<double>(s.samples);
  double trace = 0;
  for (size_t j = 0; j < dim; ++j) trace += s.scatter[j * dim + j] = samples * variances[j];
  for (size_t c = 0; c < s.num_classes; ++c) {
    s.classes.push_back(static_cast<uint32_t>(c));
    s.counts.push_back(2);
    s.within.push_back(trace / static_cast<double>(s.num_classes));
  }
  s.scatter_resolution = epsilon / 2 * trace;
  return s;
}

}  // namespace ncscope::test
