#include "kernels/cpu/simd.h"

namespace ncscope::simd {
namespace {

// Two accumulators of eight lanes hide the latency of the addition.
template <class Term>
[[gnu::always_inline]] inline double sum_terms(size_t n, const Term& term) {
  double lanes[2 * kLanes] = {};
  Double8 low = {};
  Double8 high = {};
  size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    term.add(i, low);
    term.add(i + kLanes, high);
  }
  std::memcpy(lanes, &low, sizeof(low));
  std::memcpy(lanes + kLanes, &high, sizeof(high));
  for (size_t l = 0; i < n; ++i, ++l) lanes[l] += term.one(i);
  for (size_t width = kLanes; width > 0; width /= 2) {
    for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

struct ProductTerm {
  const double* a;
  const double* b;
  [[gnu::always_inline]] void add(size_t i, Double8& sum) const {
    Double8 x;
    Double8 y;
    std::memcpy(&x, a + i, sizeof(x));
    std::memcpy(&y, b + i, sizeof(y));
    sum += x * y;
  }
  [[gnu::always_inline]] double one(size_t i) const { return a[i] * b[i]; }
};

struct SquaredDifferenceTerm {
  const double* a;
  const double* b;
  [[gnu::always_inline]] void add(size_t i, Double8& sum) const {
    Double8 x;
    Double8 y;
    std::memcpy(&x, a + i, sizeof(x));
    std::memcpy(&y, b + i, sizeof(y));
    x -= y;
    sum += x * x;
  }
  [[gnu::always_inline]] double one(size_t i) const { return (a[i] - b[i]) * (a[i] - b[i]); }
};

}  // namespace

NCSCOPE_CLONES double dot(const double* a, const double* b, size_t n) {
  return sum_terms(n, ProductTerm{a, b});
}

NCSCOPE_CLONES double squared_distance(const double* a, const double* b, size_t n) {
  return sum_terms(n, SquaredDifferenceTerm{a, b});
}

}  // namespace ncscope::simd
