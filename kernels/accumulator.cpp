#include "kernels/accumulator.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/device_checks.h"

namespace ncscope {
namespace {

// What each buffer of a ClassSums takes.
struct SumsBytes {
  size_t references, sums, squares, column_squares, tile, scatter, partial;
  size_t sum_squares = sizeof(double);

  SumsBytes(size_t k, size_t d, DType compute) {
    const size_t w = dtype_size(compute);
    references = check::checked_bytes("Accumulator", k, d, w);
    sums = check::checked_bytes("Accumulator", k, d, sizeof(double));
    squares = check::checked_bytes("Accumulator", k, 1, sizeof(double));
    column_squares = check::checked_bytes("Accumulator", d, 1, sizeof(double));
    tile = check::checked_bytes("Accumulator", kTileRows, d, w);
    scatter = check::checked_bytes("Accumulator", d, d, sizeof(double));
    partial = w == sizeof(float) ? check::checked_bytes("Accumulator", d, d, w) : 0;
  }
};

// Downloads class sums in runs of labels, and turns them into means and deviations from r_c.
class ClassReader {
 public:
  ClassReader(Device& device, const ClassSums& sums)
      : device_(device),
        sums_(sums),
        squares_(sums.num_classes),
        diagonal_(sums.dim),
        labels_per_run_(std::max<size_t>(1, kRunBytes / (sums.dim * sizeof(double)))) {
    device.copy_to_host(squares_.data(), sums.squares.data(), squares_.size() * sizeof(double));
    device.copy_to_host(diagonal_.data(), sums.column_squares.data(),
                        diagonal_.size() * sizeof(double));
  }

  size_t labels_per_run() const { return labels_per_run_; }

  // sum over j of (h_j - mu_yj)^2 in float64, of the classes read so far. Products in float32 round
  // squares of float16 and bfloat16 values down: squares of integers are 0 or 1 modulo 4.
  const std::vector<double>& diagonal() const { return diagonal_; }

  // Appends the present classes of [first, last) to `out`. Returns rows sqrt(n_c) e_c of those with
  // more than one sample, e_c = s_c / n_c; of a single sample it is zero.
  const std::vector<double>& read(size_t first, size_t last, Statistics& out) {
    const size_t d = sums_.dim;
    const DType type = sums_.compute;
    const size_t row_bytes = d * dtype_size(type);
    offsets_.resize((last - first) * d);
    references_.resize((last - first) * row_bytes);
    device_.copy_to_host(offsets_.data(), sums_.sums.as<double>() + first * d,
                         offsets_.size() * sizeof(double));
    device_.copy_to_host(references_.data(), sums_.references.as<std::byte>() + first * row_bytes,
                         references_.size());
    scaled_.resize((last - first) * d);
    double* scaled = scaled_.data();
    for (size_t c = first; c < last; ++c) {
      if (sums_.counts[c] == 0) continue;
      const auto n = static_cast<double>(sums_.counts[c]);
      const double* const s = offsets_.data() + (c - first) * d;
      out.classes.push_back(static_cast<uint32_t>(c));
      out.counts.push_back(sums_.counts[c]);
      const size_t place = out.means.size();
      out.means.resize(place + d);
      double* const mean = out.means.data() + place;
      convert(type, references_.data() + (c - first) * row_bytes, d, mean);
      double squared_offset = 0;
      for (size_t j = 0; j < d; ++j) {
        const double e = s[j] / n;
        mean[j] += e;
        squared_offset += e * e;
        diagonal_[j] -= s[j] * e;
      }
      const bool single = sums_.counts[c] == 1;
      out.within.push_back(single ? 0.0 : std::max(0.0, squares_[c] - n * squared_offset));
      if (single) continue;
      const double root = std::sqrt(n);
      for (size_t j = 0; j < d; ++j) *scaled++ = s[j] / root;
    }
    scaled_.resize(static_cast<size_t>(scaled - scaled_.data()));
    return scaled_;
  }

 private:
  static constexpr size_t kRunBytes = size_t{1} << 24;

  Device& device_;
  const ClassSums& sums_;
  std::vector<double> squares_;
  std::vector<double> diagonal_;
  size_t labels_per_run_;
  std::vector<double> offsets_;
  std::vector<std::byte> references_;
  std::vector<double> scaled_;
};

}  // namespace

Accumulator::Accumulator(Device& device, size_t num_classes, size_t dim, DType type) {
  constexpr size_t kLimit = INT32_MAX;
  check::require("Accumulator",
                 num_classes > 0 && dim > 0 && num_classes <= kLimit && dim <= kLimit,
                 "K and d in [1, 2147483647]", check::shape_text(num_classes, dim));
  sums_.num_classes = num_classes;
  sums_.dim = dim;
  sums_.type = type;
  sums_.compute = compute_type(type, device.math());
  const SumsBytes bytes(num_classes, dim, sums_.compute);
  sums_.counts.resize(num_classes);
  sums_.settled.resize(num_classes);
  sums_.references = device.allocate(bytes.references);
  sums_.sums = device.allocate(bytes.sums);
  sums_.squares = device.allocate(bytes.squares);
  sums_.column_squares = device.allocate(bytes.column_squares);
  sums_.sum_squares = device.allocate(bytes.sum_squares);
  sums_.tile = device.allocate(bytes.tile);
  sums_.scatter = device.allocate(bytes.scatter);
  sums_.partial = device.allocate(bytes.partial);
  device.zero(sums_.sums.data(), bytes.sums);
  device.zero(sums_.squares.data(), bytes.squares);
  device.zero(sums_.column_squares.data(), bytes.column_squares);
  device.zero(sums_.sum_squares.data(), bytes.sum_squares);
  device.zero(sums_.tile.data(), bytes.tile);  // an image holds rows whole
  device.zero(sums_.scatter.data(), bytes.scatter);
}

size_t Accumulator::bytes_needed(size_t num_classes, size_t dim, DType type, Math math) {
  const SumsBytes bytes(num_classes, dim, compute_type(type, math));
  size_t total = 0;
  for (const size_t part : {bytes.references, bytes.sums, bytes.squares, bytes.column_squares,
                            bytes.sum_squares, bytes.tile, bytes.scatter, bytes.partial}) {
    if (__builtin_add_overflow(total, part, &total)) {
      throw OutOfMemory("Accumulator: " + check::shape_text(num_classes, dim) +
                        " does not fit any memory");
    }
  }
  return total;
}

void Accumulator::add(Device& device, const Batch& batch) { device.accumulate(batch, sums_); }

void Accumulator::add_dropped(const Dropped& dropped) {
  dropped_.nonfinite += dropped.nonfinite;
  dropped_.ignored += dropped.ignored;
}

Statistics Accumulator::finish(Device& device) {
  device.flush(sums_);
  // Left as they are until the result is there: where memory runs out, a caller may try again.
  const ClassSums& sums = sums_;
  const size_t k = sums.num_classes;
  const size_t d = sums.dim;
  Statistics out = Statistics::empty(k, d, sums.type);
  out.product_type = sums.compute;
  out.samples = sums.samples;
  out.skipped_nonfinite = dropped_.nonfinite;
  out.ignored = dropped_.ignored;
  device.copy_to_host(&out.sum_squares, sums.sum_squares.data(), sizeof(double));
  std::vector<double> squares(d);
  device.copy_to_host(squares.data(), sums.column_squares.data(), d * sizeof(double));
  out.scatter_resolution =
      dtype_epsilon(sums.compute) / 2 * std::accumulate(squares.begin(), squares.end(), 0.0);

  const auto absent = static_cast<size_t>(std::count(sums.counts.begin(), sums.counts.end(), 0));
  out.means.reserve((k - absent) * d);
  device.copy_to_host(out.scatter.data(), sums.scatter.data(), d * d * sizeof(double));
  const DeviceMatrix scatter = device.upload({out.scatter.data(), d, d});
  ClassReader reader(device, sums);
  for (size_t first = 0; first < k; first += reader.labels_per_run()) {
    const size_t last = std::min(k, first + reader.labels_per_run());
    const std::vector<double>& scaled = reader.read(first, last, out);
    // N S_W = Q - sum n_c e_c e_c^T. Also without rows, since it fills the lower triangle.
    if (scaled.empty() && last < k) continue;
    const DeviceMatrix rows = device.upload({scaled.data(), scaled.size() / d, d});
    device.syrk(true, -1.0, rows, 1.0, scatter);
  }
  device.download(scatter, out.scatter.data());
  for (size_t j = 0; j < d; ++j) {
    const double variance = reader.diagonal()[j];
    out.scatter[j * d + j] = variance < 0 ? 0 : variance;  // below 0 by rounding only
  }
  sums_ = {};
  return out;
}

}  // namespace ncscope
