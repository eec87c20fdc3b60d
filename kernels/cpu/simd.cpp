#include "kernels/cpu/simd.h"

#include <bit>
#include <cstdint>

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

struct GrowthTerm {
  const double* a;
  const double* b;
  [[gnu::always_inline]] void add(size_t i, Double8& sum) const {
    Double8 x;
    Double8 y;
    std::memcpy(&x, a + i, sizeof(x));
    std::memcpy(&y, b + i, sizeof(y));
    sum += (y - x) * (y + x);
  }
  [[gnu::always_inline]] double one(size_t i) const { return (b[i] - a[i]) * (b[i] + a[i]); }
};

struct SquaredResidualTerm {
  const double* a;
  const double* b;
  double factor;
  [[gnu::always_inline]] void add(size_t i, Double8& sum) const {
    Double8 x;
    Double8 y;
    std::memcpy(&x, a + i, sizeof(x));
    std::memcpy(&y, b + i, sizeof(y));
    y = (y - x) - factor * x;
    sum += y * y;
  }
  [[gnu::always_inline]] double one(size_t i) const {
    const double x = (b[i] - a[i]) - factor * a[i];
    return x * x;
  }
};

// x = 2^k m with m in [sqrt(1/2), sqrt(2)), and log(m) by the polynomial of FreeBSD's e_log.c (Sun
// Microsystems, 1993) in ((m - 1) / (m + 1))^2.
[[gnu::always_inline]] inline double log_one(double x) {
  constexpr uint64_t kOne = 0x3ff0000000000000;
  constexpr uint64_t kRootHalf = 0x3fe6a09e00000000;
  constexpr uint64_t kFraction = 0x000fffffffffffff;
  constexpr uint64_t kTwo52 = 0x4330000000000000;
  const uint64_t bits = std::bit_cast<uint64_t>(x) + (kOne - kRootHalf);
  const double k = std::bit_cast<double>((bits >> 52) | kTwo52) - (0x1p52 + 1023);
  const double f = std::bit_cast<double>((bits & kFraction) + kRootHalf) - 1;
  const double half = 0.5 * f * f;
  const double s = f / (2 + f);
  const double z = s * s;
  const double w = z * z;
  const double even = w * (3.999999999940941908e-01 +
                           w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double odd = z * (6.666666666666735130e-01 +
                          w * (2.857142874366239149e-01 +
                               w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  return s * (half + (even + odd)) + k * 1.90821492927058770002e-10 - half + f +
         k * 6.93147180369123816490e-01;
}

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

NCSCOPE_CLONES double square_growth(const double* a, const double* b, size_t n) {
  return sum_terms(n, GrowthTerm{a, b});
}

NCSCOPE_CLONES double squared_residual(const double* a, const double* b, double factor, size_t n) {
  return sum_terms(n, SquaredResidualTerm{a, b, factor});
}

NCSCOPE_CLONES void log(const double* x, size_t n, double* out) {
  for (size_t i = 0; i < n; ++i) out[i] = log_one(x[i]);
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
