// CpuDevice: the distance of each row of a batch from a point of its own.
#include <cmath>
#include <limits>

#include "kernels/clones.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/load.h"

namespace ncscope {
namespace {

using simd::Double8;
using simd::kLanes;

constexpr size_t kRowsPerTask = 64;

template <class Wire>
[[gnu::always_inline]] inline double squared_distance(const std::byte* row, const double* center,
                                                      const double* point, size_t dim) {
  constexpr size_t kSize = sizeof(typename Wire::Element);
  Double8 lanes = {};
  size_t j = 0;
  for (; j + kLanes <= dim; j += kLanes) {
    typename Wire::T8 h;
    Double8 origin = {};
    Double8 p;
    Wire::load8(row + j * kSize, h);
    if (center != nullptr) simd::load(center + j, origin);
    simd::load(point + j, p);
    const Double8 difference = __builtin_convertvector(h, Double8) - origin - p;
    lanes += difference * difference;
  }
  double sum = 0;
  for (size_t l = 0; l < kLanes; ++l) sum += lanes[l];
  for (; j < dim; ++j) {
    typename Wire::T h;
    Wire::load1(row + j * kSize, h);
    const double difference = double{h} - (center == nullptr ? 0 : center[j]) - point[j];
    sum += difference * difference;
  }
  return sum;
}

struct Rows {
  const Batch& batch;
  const RowPoints& points;
  double* out;
};

template <class Wire>
[[gnu::always_inline]] inline void distances_of(const Rows& rows, size_t first, size_t last) {
  const size_t dim = rows.batch.dim;
  const double* const center = rows.points.center.empty() ? nullptr : rows.points.center.data();
  const auto* const features = static_cast<const std::byte*>(rows.batch.features);
  for (size_t i = first; i < last; ++i) {
    const int32_t place = rows.points.places[i];
    if (place < 0) continue;
    rows.out[i] = std::sqrt(
        squared_distance<Wire>(features + i * dim * sizeof(typename Wire::Element), center,
                               rows.points.points.row(static_cast<size_t>(place)), dim));
  }
}

NCSCOPE_CLONES void float32_distances(const Rows& rows, size_t first, size_t last) {
  distances_of<simd::Float32Wire>(rows, first, last);
}
NCSCOPE_CLONES void float16_distances(const Rows& rows, size_t first, size_t last) {
  distances_of<simd::Float16Wire>(rows, first, last);
}
NCSCOPE_CLONES void bfloat16_distances(const Rows& rows, size_t first, size_t last) {
  distances_of<simd::BFloat16Wire>(rows, first, last);
}
NCSCOPE_CLONES void float64_distances(const Rows& rows, size_t first, size_t last) {
  distances_of<simd::Float64Wire>(rows, first, last);
}

void take_distances(const Rows& rows, size_t first, size_t last) {
  switch (rows.batch.type) {
    case DType::kFloat32:
      return float32_distances(rows, first, last);
    case DType::kFloat16:
      return float16_distances(rows, first, last);
    case DType::kBFloat16:
      return bfloat16_distances(rows, first, last);
    case DType::kFloat64:
      return float64_distances(rows, first, last);
  }
}

}  // namespace

std::vector<double> CpuDevice::do_point_distances(const Batch& batch, const RowPoints& points) {
  std::vector<double> out(batch.rows, std::numeric_limits<double>::infinity());
  const Rows rows{batch, points, out.data()};
  pool_->run((batch.rows + kRowsPerTask - 1) / kRowsPerTask, [&](size_t task) {
    take_distances(rows, task * kRowsPerTask, std::min(batch.rows, (task + 1) * kRowsPerTask));
  });
  return out;
}

}  // namespace ncscope
