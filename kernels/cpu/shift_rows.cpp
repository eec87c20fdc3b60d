#include "kernels/cpu/shift_rows.h"

#include "kernels/cpu/load.h"

namespace ncscope {
namespace {

using simd::Double8;
using simd::kLanes;

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  using Vector = simd::Float8;
};
template <>
struct Lanes<double> {
  using Vector = Double8;
};

[[gnu::always_inline]] inline double sum_of_lanes(const Double8& v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// One row: tile = h - r, sums += h - r, column_squares += (h - r)^2, and both squared norms. The
// difference is taken in float64 and rounded for the tile only: a mean good to float32 would turn
// equal class means into distant ones.
template <class Wire, class T>
[[gnu::always_inline]] inline void shift_row(const std::byte* in, size_t width, const T* reference,
                                             double* sums, double* column_squares, T* tile,
                                             double& squares, double& full_squares) {
  using T8 = typename Lanes<T>::Vector;
  Double8 shifted_lanes = {};
  Double8 full_lanes = {};
  size_t j = 0;
  for (; j + kLanes <= width; j += kLanes) {
    typename Wire::T8 h;
    T8 r;
    Double8 sum;
    Wire::load8(in + j * sizeof(typename Wire::Element), h);
    simd::load(reference + j, r);
    const Double8 full = __builtin_convertvector(h, Double8);
    const Double8 wide = full - __builtin_convertvector(r, Double8);
    simd::store(tile + j, __builtin_convertvector(wide, T8));
    simd::load(sums + j, sum);
    sum += wide;
    simd::store(sums + j, sum);
    const Double8 square = wide * wide;
    Double8 column;
    simd::load(column_squares + j, column);
    column += square;
    simd::store(column_squares + j, column);
    shifted_lanes += square;
    full_lanes += full * full;
  }
  for (size_t lane = 0; j < width; ++j, ++lane) {
    typename Wire::T h;
    Wire::load1(in + j * sizeof(typename Wire::Element), h);
    const double x = double{h} - double{reference[j]};
    tile[j] = static_cast<T>(x);
    sums[j] += x;
    column_squares[j] += x * x;
    shifted_lanes[lane] += x * x;
    full_lanes[lane] += double{h} * double{h};
  }
  squares = sum_of_lanes(shifted_lanes);
  full_squares = sum_of_lanes(full_lanes);
}

template <class Wire, class T>
[[gnu::always_inline]] inline void copy_row(const std::byte* in, size_t width, T* tile) {
  using T8 = typename Lanes<T>::Vector;
  size_t j = 0;
  for (; j + kLanes <= width; j += kLanes) {
    typename Wire::T8 h;
    Wire::load8(in + j * sizeof(typename Wire::Element), h);
    simd::store(tile + j, __builtin_convertvector(h, T8));
  }
  for (; j < width; ++j) {
    typename Wire::T h;
    Wire::load1(in + j * sizeof(typename Wire::Element), h);
    tile[j] = h;
  }
}

template <class Wire, class T = typename Wire::T>
[[gnu::always_inline]] inline void shift_all(const std::vector<ShiftRow>& rows,
                                             const ShiftSlice& slice) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::byte* const in = rows[i].features + slice.begin * sizeof(typename Wire::Element);
    T* const tile = static_cast<T*>(slice.tile) + rows[i].tile_row * slice.dim + slice.begin;
    if (rows[i].waits) {
      copy_row<Wire, T>(in, slice.width, tile);
      continue;
    }
    const size_t place = rows[i].label * slice.dim + slice.begin;
    shift_row<Wire, T>(in, slice.width, static_cast<const T*>(slice.references) + place,
                       slice.sums + place, slice.column_squares + slice.begin, tile,
                       slice.squares[i * slice.stride], slice.full_squares[i * slice.stride]);
  }
}

// About the first row of each class, so that equal rows leave no rounding behind.
template <class T>
[[gnu::always_inline]] inline void settle_all(const std::vector<ShiftRow>& rows,
                                              const uint64_t* counts, const ShiftSlice& slice) {
  std::vector<size_t> classes;
  std::vector<bool> seen;
  for (const ShiftRow& row : rows) {
    const T* const h = static_cast<const T*>(slice.tile) + row.tile_row * slice.dim + slice.begin;
    const size_t place = row.label * slice.dim + slice.begin;
    T* const reference = static_cast<T*>(slice.references) + place;
    double* const sums = slice.sums + place;
    if (row.label >= seen.size()) seen.resize(row.label + 1);
    if (!seen[row.label]) {
      seen[row.label] = true;
      classes.push_back(row.label);
      std::memcpy(reference, h, slice.width * sizeof(T));
      continue;
    }
    for (size_t j = 0; j < slice.width; ++j) sums[j] += double{h[j]} - double{reference[j]};
  }
  for (const size_t label : classes) {
    const size_t place = label * slice.dim + slice.begin;
    T* const reference = static_cast<T*>(slice.references) + place;
    double* const sums = slice.sums + place;
    const auto n = static_cast<double>(counts[label]);
    for (size_t j = 0; j < slice.width; ++j) {
      reference[j] = static_cast<T>(double{reference[j]} + sums[j] / n);
      sums[j] = 0;
    }
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

NCSCOPE_CLONES void shift_float32_wide(const std::vector<ShiftRow>& rows, const ShiftSlice& slice) {
  shift_all<simd::Float32Wire, double>(rows, slice);
}
NCSCOPE_CLONES void shift_float16_wide(const std::vector<ShiftRow>& rows, const ShiftSlice& slice) {
  shift_all<simd::Float16Wire, double>(rows, slice);
}
NCSCOPE_CLONES void shift_bfloat16_wide(const std::vector<ShiftRow>& rows,
                                        const ShiftSlice& slice) {
  shift_all<simd::BFloat16Wire, double>(rows, slice);
}

NCSCOPE_CLONES void settle_float32(const std::vector<ShiftRow>& rows, const uint64_t* counts,
                                   const ShiftSlice& slice) {
  settle_all<float>(rows, counts, slice);
}
NCSCOPE_CLONES void settle_float64(const std::vector<ShiftRow>& rows, const uint64_t* counts,
                                   const ShiftSlice& slice) {
  settle_all<double>(rows, counts, slice);
}

}  // namespace

void settle_references(DType type, const std::vector<ShiftRow>& rows, const uint64_t* counts,
                       const ShiftSlice& slice) {
  if (type == DType::kFloat64) return settle_float64(rows, counts, slice);
  settle_float32(rows, counts, slice);
}

void shift_rows(DType type, DType compute, const std::vector<ShiftRow>& rows,
                const ShiftSlice& slice) {
  const bool wide = compute == DType::kFloat64;
  switch (type) {
    case DType::kFloat32:
      return wide ? shift_float32_wide(rows, slice) : shift_float32(rows, slice);
    case DType::kFloat16:
      return wide ? shift_float16_wide(rows, slice) : shift_float16(rows, slice);
    case DType::kBFloat16:
      return wide ? shift_bfloat16_wide(rows, slice) : shift_bfloat16(rows, slice);
    case DType::kFloat64:
      return shift_float64(rows, slice);
  }
}

}  // namespace ncscope
