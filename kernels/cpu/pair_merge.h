// How the sums of two sets of pairs become those of both.
#pragma once

#include <optional>

#include "kernels/device.h"

namespace ncscope {

// Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance".
inline void merge_moments(const Moments& from, Moments& into) {
  if (from.count == 0) return;
  const auto a = static_cast<double>(into.count);
  const auto b = static_cast<double>(from.count);
  const double delta = from.mean - into.mean;
  into.count += from.count;
  into.mean += delta * (b / (a + b));
  into.m2 += from.m2 + delta * delta * (a * b / (a + b));
}

inline bool comes_before(const PairExtreme& a, const PairExtreme& b) {
  return a.first < b.first || (a.first == b.first && a.second < b.second);
}

// Keeps the larger value; of equal ones the lower pair.
inline void keep_largest(const PairExtreme& from, std::optional<PairExtreme>& into) {
  if (!into || from.value > into->value ||
      (from.value == into->value && comes_before(from, *into))) {
    into = from;
  }
}

inline void keep_first(const PairExtreme& from, std::optional<PairExtreme>& into) {
  if (!into || comes_before(from, *into)) into = from;
}

}  // namespace ncscope
