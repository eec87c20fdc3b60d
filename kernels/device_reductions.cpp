// The checks in front of every device: passes over samples, classes and pairs.
#include <limits>

#include "kernels/device.h"
#include "kernels/device_checks.h"

namespace ncscope {
namespace {

void require_batch(const char* method, const Batch& batch, size_t dim) {
  check::require(method, batch.dim == dim, "rows of dim " + std::to_string(dim),
                 std::to_string(batch.dim));
  if (batch.rows == 0) return;
  check::require(method, batch.features != nullptr, "features in memory", "null");
}

void require_buffer(const char* method, const char* what, const DeviceBuffer& buffer, size_t rows,
                    size_t cols, size_t size) {
  const size_t expected = check::checked_bytes(method, rows, cols, size);
  check::require(method, buffer.bytes() >= expected,
                 std::string(what) + " of " + std::to_string(expected) + " bytes",
                 std::to_string(buffer.bytes()));
}

void require_sums(const char* method, const ClassSums& sums) {
  const size_t k = sums.num_classes;
  const size_t d = sums.dim;
  const size_t size = dtype_size(sums.compute);
  check::require(method, k > 0 && d > 0, "K and d of at least 1", check::shape_text(k, d));
  check::require(method, k <= std::numeric_limits<int32_t>::max(), "K that an int32 label can name",
                 std::to_string(k));
  check::require(method, d <= std::numeric_limits<int32_t>::max(), "d of at most 2147483647",
                 std::to_string(d));
  check::require_size(method, "counts", k, sums.counts.size());
  check::require_size(method, "settled", k, sums.settled.size());
  check::require_size(method, "waiting", sums.tile_fill, sums.waiting.size());
  check::require(method, sums.tile_fill < kTileRows, "a tile with room",
                 std::to_string(sums.tile_fill));
  require_buffer(method, "references", sums.references, k, d, size);
  require_buffer(method, "sums", sums.sums, k, d, sizeof(double));
  require_buffer(method, "squares", sums.squares, k, 1, sizeof(double));
  require_buffer(method, "column_squares", sums.column_squares, d, 1, sizeof(double));
  require_buffer(method, "sum_squares", sums.sum_squares, 1, 1, sizeof(double));
  require_buffer(method, "tile", sums.tile, kTileRows, d, size);
  require_buffer(method, "scatter", sums.scatter, d, d, sizeof(double));
  if (size == sizeof(float)) require_buffer(method, "partial", sums.partial, d, d, size);
}

}  // namespace

void Device::accumulate(const Batch& batch, ClassSums& sums) {
  require_sums("accumulate", sums);
  require_batch("accumulate", batch, sums.dim);
  check::require("accumulate", batch.type == sums.type, std::string(dtype_name(sums.type)),
                 std::string(dtype_name(batch.type)));
  if (batch.rows == 0) return;
  check::require("accumulate", batch.labels != nullptr, "labels in memory", "null");
  for (size_t r = 0; r < batch.rows; ++r) {
    const int32_t label = batch.labels[r];
    if (label < 0 || static_cast<size_t>(label) < sums.num_classes) continue;
    check::require("accumulate", false, "labels below " + std::to_string(sums.num_classes),
                   std::to_string(label) + " in row " + std::to_string(r));
  }
  do_accumulate(batch, sums);
}

void Device::flush(ClassSums& sums) {
  require_sums("flush", sums);
  do_flush(sums);
}

void Device::await(ClassSums& sums) {
  require_sums("await", sums);
  do_await(sums);
}

PairSums Device::pair_reduce(const PairInput& input) {
  check::require_matrix("pair_reduce", "rows", input.rows);
  const size_t p = input.rows.rows;
  check::require("pair_reduce", p >= 2 && input.rows.cols >= 1, "at least two rows of one column",
                 check::shape_text(p, input.rows.cols));
  check::require_size("pair_reduce", "squared_norms", p, input.squared_norms.size());
  if (!input.within_variances.empty()) {
    check::require_size("pair_reduce", "within_variances", p, input.within_variances.size());
  }
  if (!input.resolution.empty()) {
    check::require_size("pair_reduce", "resolution", p, input.resolution.size());
  }
  if (input.products.data != nullptr) {
    check::require_matrix("pair_reduce", "products", input.products);
    check::require_shape("pair_reduce", "products", input.products, p, p);
  }
  return do_pair_reduce(input);
}

double Device::gram_residual(ConstMatrix a, ConstMatrix b, double alpha) {
  check::require_matrix("gram_residual", "A", a);
  check::require_matrix("gram_residual", "B", b);
  check::require_shape("gram_residual", "B", b, a.rows, a.cols);
  check::require("gram_residual", a.rows >= 2 && a.cols >= 1, "at least two rows of one column",
                 check::shape_text(a.rows, a.cols));
  return do_gram_residual(a, b, alpha);
}

std::vector<int32_t> Device::argmax_affine(const Batch& batch, const AffineScores& scores) {
  check::require_matrix("argmax_affine", "rows", scores.rows);
  check::require("argmax_affine", scores.rows.rows >= 1 && scores.rows.cols >= 1,
                 "at least one row of one column",
                 check::shape_text(scores.rows.rows, scores.rows.cols));
  check::require_size("argmax_affine", "offset", scores.rows.rows, scores.offset.size());
  if (!scores.center.empty()) {
    check::require_size("argmax_affine", "center", scores.rows.cols, scores.center.size());
  }
  require_batch("argmax_affine", batch, scores.rows.cols);
  if (batch.rows == 0) return {};
  return do_argmax_affine(batch, scores);
}

std::vector<double> Device::point_distances(const Batch& batch, const RowPoints& points) {
  check::require_matrix("point_distances", "points", points.points);
  check::require_size("point_distances", "places", batch.rows, points.places.size());
  if (!points.center.empty()) {
    check::require_size("point_distances", "center", points.points.cols, points.center.size());
  }
  require_batch("point_distances", batch, points.points.cols);
  for (size_t i = 0; i < batch.rows; ++i) {
    const int32_t place = points.places[i];
    if (place == -1 || (place >= 0 && static_cast<size_t>(place) < points.points.rows)) continue;
    check::require("point_distances", false,
                   "places from -1 to " + std::to_string(points.points.rows - 1),
                   std::to_string(place) + " for row " + std::to_string(i));
  }
  if (batch.rows == 0) return {};
  return do_point_distances(batch, points);
}

}  // namespace ncscope
