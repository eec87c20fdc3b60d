#include "kernels/cpu/argmax_row.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/load.h"

namespace ncscope {
namespace {

using simd::Double8;
using simd::kLanes;

void take_score(double score, size_t place, TopTwo& top) {
  // Written so that a NaN leaves the other score in place.
  if (score > top.best) {
    top.second = top.best;
    top.best = score;
    top.place = place;
  } else if (score > top.second) {
    top.second = score;
  }
}

template <class V, class T>
[[gnu::always_inline]] inline void update_lanes(const T* dots, const double* offsets, size_t n,
                                                size_t first, TopTwo& top) {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  Double8 best = Double8{} + kLowest;
  Double8 second = best;
  Double8 place = {};
  Double8 here = {0, 1, 2, 3, 4, 5, 6, 7};
  size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    V dot;
    Double8 offset;
    simd::load(dots + j, dot);
    simd::load(offsets + j, offset);
    const Double8 score = __builtin_convertvector(dot, Double8) + offset;
    const auto larger = score > best;
    const Double8 loser = larger ? best : score;
    second = loser > second ? loser : second;
    best = larger ? score : best;
    place = larger ? here : place;
    here += static_cast<double>(kLanes);
  }
  if (j > 0) {
    for (size_t l = 0; l < kLanes; ++l) {
      take_score(best[l], first + static_cast<size_t>(place[l]), top);
      if (second[l] > top.second) top.second = second[l];
    }
  }
  for (; j < n; ++j) take_score(double{dots[j]} + offsets[j], first + j, top);
}

template <class V, class T>
[[gnu::always_inline]] inline double center_values(const double* in, const double* center, size_t n,
                                                   T* out) {
  Double8 lanes = {};
  size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    Double8 x;
    Double8 origin = {};
    simd::load(in + j, x);
    if (center != nullptr) simd::load(center + j, origin);
    x -= origin;
    lanes += x * x;
    simd::store(out + j, __builtin_convertvector(x, V));
  }
  for (; j < n; ++j) {
    const double x = in[j] - (center == nullptr ? 0 : center[j]);
    lanes[0] += x * x;
    out[j] = static_cast<T>(x);
  }
  double sum = 0;
  for (size_t l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

}  // namespace

// Side by side: one such sum alone waits for every addition.
NCSCOPE_CLONES void exact_dots(const double* const* rows, const double* h, size_t n, double* sums) {
  Double8 total = {};
  for (size_t j = 0; j < n; ++j) {
    Double8 a;
    for (size_t k = 0; k < kExactClasses; ++k) a[k] = rows[k][j];
    total += a * h[j];
  }
  simd::store(sums, total);
}

NCSCOPE_CLONES void exact_distances(const double* const* rows, const double* h, size_t n,
                                    double* sums) {
  Double8 total = {};
  for (size_t j = 0; j < n; ++j) {
    Double8 a;
    for (size_t k = 0; k < kExactClasses; ++k) a[k] = rows[k][j];
    const Double8 difference = a - h[j];
    total += difference * difference;
  }
  simd::store(sums, total);
}

NCSCOPE_CLONES void update_top_two(const float* dots, const double* offsets, size_t n, size_t first,
                                   TopTwo& top) {
  update_lanes<simd::Float8>(dots, offsets, n, first, top);
}
NCSCOPE_CLONES void update_top_two(const double* dots, const double* offsets, size_t n,
                                   size_t first, TopTwo& top) {
  update_lanes<Double8>(dots, offsets, n, first, top);
}
NCSCOPE_CLONES double center_row(const double* in, const double* center, size_t n, float* out) {
  return center_values<simd::Float8>(in, center, n, out);
}
NCSCOPE_CLONES double center_row(const double* in, const double* center, size_t n, double* out) {
  return center_values<Double8>(in, center, n, out);
}

}  // namespace ncscope
