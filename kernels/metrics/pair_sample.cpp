#include "kernels/metrics/pair_sample.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "kernels/clones.h"
#include "kernels/metrics/etf.h"
#include "kernels/metrics/vector_stats.h"
#include "kernels/unit_rows.h"

namespace ncscope::metrics {
namespace {

constexpr size_t kLanes = 8;  // independent sums, for the processor's vectors
constexpr size_t kSampledNumbers = 1 << 28;

// Sums over the columns of two rows x, y, with e = y - x.
struct RowSums {
  double product = 0;     // <x, y>
  double difference = 0;  // ||e||^2
  double growth = 0;      // <e, x + y> = ||y||^2 - ||x||^2
};

NCSCOPE_CLONES RowSums row_sums(const double* x, const double* y, size_t dim) {
  double product[kLanes] = {};
  double difference[kLanes] = {};
  double growth[kLanes] = {};
  size_t j = 0;
  for (; j + kLanes <= dim; j += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      const double e = y[j + l] - x[j + l];
      product[l] += x[j + l] * y[j + l];
      difference[l] += e * e;
      growth[l] += e * (y[j + l] + x[j + l]);
    }
  }
  for (size_t l = 0; j < dim; ++j, ++l) {
    const double e = y[j] - x[j];
    product[l] += x[j] * y[j];
    difference[l] += e * e;
    growth[l] += e * (y[j] + x[j]);
  }
  RowSums out;
  for (size_t l = 0; l < kLanes; ++l) {
    out.product += product[l];
    out.difference += difference[l];
    out.growth += growth[l];
  }
  return out;
}

// D^2 of two directions, ||x|| <= ||y||; where 2 - 2 cos cancels, from differences:
// e - (||y|| - ||x||) x / ||x|| over ||y||.
double unit_square(const double* x, double x_norm, const double* y, double y_norm, size_t dim,
                   const RowSums& sums) {
  const double square = 2 - 2 * (sums.product / x_norm / y_norm);
  if (square >= kUnitsCancel) return square;
  const double factor = sums.growth / (x_norm + y_norm) / x_norm;
  double residual = 0;
  for (size_t j = 0; j < dim; ++j) {
    const double part = (y[j] - x[j]) - factor * x[j];
    residual += part * part;
  }
  return residual / y_norm / y_norm;
}

void add(double value, Moments& moments) {
  ++moments.count;
  const double delta = value - moments.mean;
  moments.mean += delta / static_cast<double>(moments.count);
  moments.m2 += delta * (value - moments.mean);
}

double standard_error(const Moments& moments) {
  if (moments.count < 2) return 0;
  const auto n = static_cast<double>(moments.count);
  return std::sqrt(moments.m2 / (n - 1) / n);
}

void keep_first(const PairExtreme& pair, std::optional<PairExtreme>& into) {
  const auto place = [](const PairExtreme& p) { return std::pair(p.first, p.second); };
  if (!into || place(pair) < place(*into)) into = pair;
}

class PairSampler {
 public:
  PairSampler(const CenteredRows& rows, const PairInput& input)
      : rows_(rows), input_(input), p_(input.rows.rows), dim_(input.rows.cols), x_(dim_), y_(dim_) {
    std::vector<double> inverse_norms(p_);
    for (size_t c = 0; c < p_; ++c) {
      norms_.push_back(std::sqrt(input.squared_norms[c]));
      inverse_norms[c] = norms_[c] > 0 ? 1 / norms_[c] : 0;
    }
    directions_ = direction_resolution(input, inverse_norms);
  }

  void add_pair(size_t c, size_t e) {
    if (norms_[c] > norms_[e]) std::swap(c, e);
    load(c, x_);
    load(e, y_);
    const RowSums sums = row_sums(x_.data(), y_.data(), dim_);
    ++out_.pairs;
    add_cdnv(c, e, sums.difference);
    if (norms_[c] > 0) add_angles(c, e, sums);
  }

  PairMetrics finish() {
    PairSampling sampling;
    sampling.pairs = out_.pairs;
    sampling.max_angle_error = standard_error(angle_);
    sampling.cdnv_error = standard_error(cdnv_);
    sampling.cdnv_fourth_error = standard_error(fourth_);
    sampling.distance_error = standard_error(out_.unit_distance);
    sampling.log_error = standard_error(out_.unit_log);
    out_.max_angle_sum = angle_.mean * static_cast<double>(angle_.count);
    out_.cdnv_sum = cdnv_.mean * static_cast<double>(cdnv_.count);
    out_.cdnv_fourth_sum = fourth_.mean * static_cast<double>(fourth_.count);
    out_.cosine.count = angle_.count;
    return {std::move(out_), sampling};
  }

 private:
  void load(size_t c, std::vector<double>& out) const {
    const double* const raw = rows_.raw.row(c);
    for (size_t j = 0; j < dim_; ++j) out[j] = raw[j] - rows_.center[j];
  }

  static PairExtreme named(size_t c, size_t e, double value) {
    return {std::min(c, e), std::max(c, e), value};
  }

  void add_cdnv(size_t c, size_t e, double square) {
    const double distance = std::sqrt(square);
    const double reach =
        input_.resolution.empty() ? 0 : input_.resolution[c] + input_.resolution[e];
    if (distance <= reach) {
      keep_first(named(c, e, distance), out_.equal);
      return;
    }
    if (input_.within_variances.empty()) return;
    const double value = 0.5 * (input_.within_variances[c] + input_.within_variances[e]) / square;
    add(value, cdnv_);
    add(value / square, fourth_);
  }

  void add_angles(size_t c, size_t e, const RowSums& sums) {
    const double cosine = sums.product / norms_[c] / norms_[e];
    add(std::fabs(cosine + 1 / static_cast<double>(p_ - 1)), angle_);
    const double square = unit_square(x_.data(), norms_[c], y_.data(), norms_[e], dim_, sums);
    const double distance = std::sqrt(square);
    add(distance, out_.unit_distance);
    if (distance <= directions_[c] + directions_[e]) {
      keep_first(named(c, e, distance), out_.aligned);
      return;
    }
    add(-0.5 * std::log(square), out_.unit_log);
  }

  const CenteredRows& rows_;
  const PairInput& input_;
  size_t p_;
  size_t dim_;
  std::vector<double> norms_;       // [P]
  std::vector<double> directions_;  // [P]
  std::vector<double> x_;           // [d] the shorter row of a pair
  std::vector<double> y_;           // [d] the longer
  Moments angle_;
  Moments cdnv_;
  Moments fourth_;
  PairSums out_;
};

// ||G||_F^2 of a device matrix.
double squared_frobenius(Device& device, ConstMatrix g) { return sum_of(device.row_dots(g, g)); }

// Mean and variance of the cosines of all pairs of rows that are not zero, in blocks of unit rows.
void exact_cosines(Device& device, const CenteredRows& rows, const PairInput& input,
                   Moments& cosine) {
  const size_t dim = input.rows.cols;
  const DeviceMatrix gram = device.matrix(dim, dim);
  std::vector<double> sum(dim);
  double count = 0;
  const size_t block = std::clamp<size_t>(dim, 64, 2048);
  for (size_t first = 0; first < input.rows.rows; first += block) {
    const ConstMatrix raw = rows.raw.slice_rows(first, std::min(block, input.rows.rows - first));
    std::vector<double> factors(raw.rows);
    for (size_t c = 0; c < raw.rows; ++c) {
      const double norm = std::sqrt(input.squared_norms[first + c]);
      factors[c] = norm > 0 ? 1 / norm : 0;
      count += norm > 0;
    }
    const DeviceMatrix units = device.upload(raw);
    device.subtract_row(units, rows.center);
    device.scale_rows(units, factors);
    device.syrk(true, 1, units, first == 0 ? 0 : 1, gram);
    const std::vector<double> part = column_sums(device, units);
    for (size_t j = 0; j < dim; ++j) sum[j] += part[j];
  }
  if (count < 2) return;
  const double pairs = count * (count - 1);  // each twice
  const double length = norm_of(sum);
  cosine.mean = (length * length - count) / pairs;
  const double variance =
      (squared_frobenius(device, gram) - count) / pairs - cosine.mean * cosine.mean;
  cosine.m2 = std::max(variance, 0.0) * static_cast<double>(cosine.count);
}

double gram_residual_of(Device& device, const PairInput& input) {
  const DeviceMatrix gram = device.matrix(input.rows.cols, input.rows.cols);
  device.syrk(true, 1, input.rows, 0, gram);
  const double inner = input.etf_scale;
  return std::max(squared_frobenius(device, gram) - inner * inner, 0.0);
}

}  // namespace

std::string needs_all_pairs(const PairSampling& sampling) {
  return "it needs all pairs of classes, of which " + std::to_string(sampling.pairs) +
         " were sampled (--exact-pairs takes all)";
}

PairMetrics pair_metrics(Device& device, const CenteredRows& rows, const PairInput& input,
                         bool exact) {
  const auto p = static_cast<double>(input.rows.rows);
  const auto dim = static_cast<double>(input.rows.cols);
  if (exact || input.products.data != nullptr || p - 1 <= dim ||
      p * p * dim / 2 <= device.pair_budget()) {
    return {device.pair_reduce(input), std::nullopt};
  }
  const size_t pairs =
      std::clamp<size_t>(kSampledNumbers / input.rows.cols, size_t{1} << 14, size_t{1} << 20);
  return sample_pairs(device, rows, input, pairs);
}

PairMetrics sample_pairs(Device& device, const CenteredRows& rows, const PairInput& input,
                         uint64_t pairs) {
  const size_t p = input.rows.rows;
  std::mt19937_64 random(1);  // its numbers are those of the standard
  PairSampler sampler(rows, input);
  for (uint64_t i = 0; i < pairs; ++i) {
    const size_t c = random() % p;
    const size_t e = random() % (p - 1);
    sampler.add_pair(c, e < c ? e : e + 1);
  }
  PairMetrics out = sampler.finish();
  exact_cosines(device, rows, input, out.sums.cosine);
  out.sums.gram_residual = gram_residual_of(device, input);
  return out;
}

}  // namespace ncscope::metrics
