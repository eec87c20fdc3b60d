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

struct PlainTerm {
  const double* a;
  [[gnu::always_inline]] void add(size_t i, Double8& sum) const {
    Double8 x;
    std::memcpy(&x, a + i, sizeof(x));
    sum += x;
  }
  [[gnu::always_inline]] double one(size_t i) const { return a[i]; }
};

struct SquaredOffsetTerm {
  const double* a;
  double offset;
  [[gnu::always_inline]] void add(size_t i, Double8& sum) const {
    Double8 x;
    std::memcpy(&x, a + i, sizeof(x));
    x -= offset;
    sum += x * x;
  }
  [[gnu::always_inline]] double one(size_t i) const { return (a[i] - offset) * (a[i] - offset); }
};

// The lowest place of the extreme value, found in two looks: its value, then its place.
template <class Better>
[[gnu::always_inline]] inline size_t first_extreme(const double* a, size_t n, Better better) {
  double best = a[0];
  size_t i = 0;
  if (n >= kLanes) {
    Double8 lanes;
    std::memcpy(&lanes, a, sizeof(lanes));
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      Double8 x;
      std::memcpy(&x, a + i, sizeof(x));
      better(x, lanes);
    }
    for (size_t l = 0; l < kLanes; ++l) {
      const double x = lanes[l];
      better(x, best);
    }
  }
  for (; i < n; ++i) better(a[i], best);
  size_t place = 0;
  while (place + 1 < n && a[place] != best) ++place;
  return place;
}

}  // namespace

NCSCOPE_CLONES double sum(const double* a, size_t n) { return sum_terms(n, PlainTerm{a}); }

NCSCOPE_CLONES double squared_offset(const double* a, double offset, size_t n) {
  return sum_terms(n, SquaredOffsetTerm{a, offset});
}

NCSCOPE_CLONES size_t first_minimum(const double* a, size_t n) {
  return first_extreme(
      a, n,
      [](const auto& x, auto& best) __attribute__((always_inline)) { best = x < best ? x : best; });
}

NCSCOPE_CLONES size_t first_maximum(const double* a, size_t n) {
  return first_extreme(
      a, n,
      [](const auto& x, auto& best) __attribute__((always_inline)) { best = x > best ? x : best; });
}

NCSCOPE_CLONES double dot(const double* a, const double* b, size_t n) {
  return sum_terms(n, ProductTerm{a, b});
}

NCSCOPE_CLONES double squared_distance(const double* a, const double* b, size_t n) {
  return sum_terms(n, SquaredDifferenceTerm{a, b});
}

}  // namespace ncscope::simd
