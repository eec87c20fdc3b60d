#include "kernels/cpu/shift_rows.h"

#include "kernels/cpu/load.h"

namespace ncscope {
namespace {

using simd::Double8;
using simd::kLanes;

[[gnu::always_inline]] inline double sum_of_lanes(const Double8& v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// One row: tile = h - r, sums += h - r, column_squares += (h - r)^2, and both squared norms.
template <class Wire>
[[gnu::always_inline]] inline void shift_row(const std::byte* in, size_t width,
                                             const typename Wire::T* reference, double* sums,
                                             double* column_squares, typename Wire::T* tile,
                                             double& squares, double& full_squares) {
  using T8 = typename Wire::T8;
  Double8 shifted_lanes = {};
  Double8 full_lanes = {};
  size_t j = 0;
  for (; j + kLanes <= width; j += kLanes) {
    T8 h;
    T8 r;
    Double8 sum;
    Wire::load8(in + j * sizeof(typename Wire::Element), h);
    simd::load(reference + j, r);
    const T8 x = h - r;
    simd::store(tile + j, x);
    const Double8 wide = __builtin_convertvector(x, Double8);
    simd::load(sums + j, sum);
    sum += wide;
    simd::store(sums + j, sum);
    const Double8 square = wide * wide;
    Double8 column;
    simd::load(column_squares + j, column);
    column += square;
    simd::store(column_squares + j, column);
    shifted_lanes += square;
    const Double8 full = __builtin_convertvector(h, Double8);
    full_lanes += full * full;
  }
  for (size_t lane = 0; j < width; ++j, ++lane) {
    typename Wire::T h;
    Wire::load1(in + j * sizeof(typename Wire::Element), h);
    const typename Wire::T x = h - reference[j];
    tile[j] = x;
    sums[j] += double{x};
    column_squares[j] += double{x} * double{x};
    shifted_lanes[lane] += double{x} * double{x};
    full_lanes[lane] += double{h} * double{h};
  }
  squares = sum_of_lanes(shifted_lanes);
  full_squares = sum_of_lanes(full_lanes);
}

template <class Wire>
[[gnu::always_inline]] inline void shift_all(const std::vector<ShiftRow>& rows,
                                             const ShiftSlice& slice) {
  using T = typename Wire::T;
  constexpr size_t kSize = sizeof(typename Wire::Element);
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::byte* const in = rows[i].features + slice.begin * kSize;
    const size_t place = rows[i].label * slice.dim + slice.begin;
    T* const reference = static_cast<T*>(slice.references) + place;
    if (rows[i].first) {
      for (size_t j = 0; j < slice.width; ++j) Wire::load1(in + j * kSize, reference[j]);
    }
    shift_row<Wire>(in, slice.width, reference, slice.sums + place,
                    slice.column_squares + slice.begin,
                    static_cast<T*>(slice.tile) + i * slice.dim + slice.begin,
                    slice.squares[i * slice.stride], slice.full_squares[i * slice.stride]);
  }
}

NCSCOPE_CLONES void shift_float32(const std::vector<ShiftRow>& rows, const ShiftSlice& slice) {
  shift_all<simd::Float32Wire>(rows, slice);
}
NCSCOPE_CLONES void shift_float16(const std::vector<ShiftRow>& rows, const ShiftSlice& slice) {
  shift_all<simd::Float16Wire>(rows, slice);
}
NCSCOPE_CLONES void shift_bfloat16(const std::vector<ShiftRow>& rows, const ShiftSlice& slice) {
  shift_all<simd::BFloat16Wire>(rows, slice);
}
NCSCOPE_CLONES void shift_float64(const std::vector<ShiftRow>& rows, const ShiftSlice& slice) {
  shift_all<simd::Float64Wire>(rows, slice);
}

}  // namespace

void shift_rows(DType type, const std::vector<ShiftRow>& rows, const ShiftSlice& slice) {
  switch (type) {
    case DType::kFloat32:
      return shift_float32(rows, slice);
    case DType::kFloat16:
      return shift_float16(rows, slice);
    case DType::kBFloat16:
      return shift_bfloat16(rows, slice);
    case DType::kFloat64:
      return shift_float64(rows, slice);
  }
}

}  // namespace ncscope
