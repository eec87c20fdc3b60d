#include "kernels/metrics/etf.h"

#include <cmath>
#include <numeric>

#include "kernels/metrics/undefined.h"
#include "kernels/metrics/uniformity.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {
namespace {

std::string field(const EtfVectors& vectors, std::string_view name) {
  return std::string(vectors.group) + "." + std::string(name);
}

// std / mean of norms, or why there is none.
void set_equinorm(const std::string& path, std::span<const double> norms, ReportValues& out) {
  const Spread spread = spread_of(norms);
  if (spread.mean == 0) {
    out.undefined(path, "all vectors are zero");
  } else {
    out.set(path, std::sqrt(spread.variance) / spread.mean);
  }
}

// Of m vectors in d dimensions: XX^T has rank d at most, E has rank m - 1.
void set_etf_floor(const EtfVectors& vectors, ReportValues& out) {
  const double reach = static_cast<double>(vectors.dim) / static_cast<double>(vectors.count - 1);
  out.set(field(vectors, "etf_floor"), reach >= 1 ? 0 : std::sqrt(2 - 2 * std::sqrt(reach)));
}

void undefined_directions(const EtfVectors& vectors, const std::string& reason, ReportValues& out) {
  undefined_fields(out, vectors.group, {"equiangular", "max_angle", "coherence", "coherence_pair"},
                   reason);
  uniformity_undefined(vectors, reason, out);
}

}  // namespace

std::vector<double> column_sums(Device& device, ConstMatrix rows) {
  const std::vector<double> ones(rows.rows, 1.0);
  const DeviceMatrix left = device.upload({ones.data(), 1, rows.rows});
  const DeviceMatrix sums = device.matrix(1, rows.cols);
  device.gemm(false, false, 1, left, rows, 0, sums);
  std::vector<double> out(rows.cols);
  device.download(sums, out.data());
  return out;
}

DeviceMatrix small_products(Device& device, ConstMatrix rows) {
  if (rows.rows > rows.cols + 1) return {};
  DeviceMatrix out = device.matrix(rows.rows, rows.rows);
  device.syrk(false, 1, rows, 0, out);
  return out;
}

double etf_inner(Device& device, ConstMatrix rows, std::span<const double> squared_norms) {
  const std::vector<double> sums = column_sums(device, rows);
  const double of_sum = std::inner_product(sums.begin(), sums.end(), sums.begin(), 0.0);
  const double count = static_cast<double>(rows.rows);
  return (sum_of(squared_norms) - of_sum / count) / std::sqrt(count - 1);
}

double etf_distance(double alpha, double residual_squared) {
  const double norm = std::hypot(alpha, std::sqrt(residual_squared));
  const double relative = residual_squared / norm / norm;
  // alpha/||A|| - 1, without the subtraction where that would cancel.
  const double along = alpha > 0 ? -residual_squared / (norm * (norm + alpha)) : alpha / norm - 1;
  return std::sqrt(along * along + relative);
}

void etf_metrics(const EtfVectors& vectors, const PairMetrics& metrics, ReportValues& out) {
  const PairSums& pairs = metrics.sums;
  std::vector<double> norms(vectors.squared_norms.begin(), vectors.squared_norms.end());
  for (double& norm : norms) norm = std::sqrt(norm);
  set_equinorm(field(vectors, "equinorm"), norms, out);
  set_equinorm(field(vectors, "equinorm_raw"), vectors.raw_norms, out);
  out.set(field(vectors, "etf_error"), etf_distance(vectors.etf_inner, pairs.gram_residual));
  set_etf_floor(vectors, out);
  if (vectors.zero) {
    const std::string reason = "the " + std::string(vectors.vectors) + " of class " +
                               std::to_string(*vectors.zero) + " is zero and has no direction";
    undefined_directions(vectors, reason, out);
    return;
  }
  if (pairs.cosine.count == 0) {  // squares that underflow
    undefined_directions(
        vectors, "fewer than two " + std::string(vectors.vectors) + "s have a direction", out);
    return;
  }
  out.set(field(vectors, "equiangular"), std::sqrt(pairs.cosine.variance()));
  out.set(field(vectors, "max_angle"),
          pairs.max_angle_sum / static_cast<double>(pairs.cosine.count));
  if (metrics.sampling) {
    out.set_integer(field(vectors, "sampled_pairs"), metrics.sampling->pairs);
    out.set(field(vectors, "max_angle_standard_error"), metrics.sampling->max_angle_error);
    undefined_fields(out, vectors.group, {"coherence", "coherence_pair"},
                     needs_all_pairs(*metrics.sampling));
  } else {
    out.set(field(vectors, "coherence"), pairs.coherence->value);
    out.set_pair(field(vectors, "coherence_pair"), vectors.label(pairs.coherence->first),
                 vectors.label(pairs.coherence->second));
  }
  uniformity(vectors, metrics, out);
}

void etf_metrics_undefined(const EtfVectors& vectors, const std::string& reason,
                           ReportValues& out) {
  set_equinorm(field(vectors, "equinorm_raw"), vectors.raw_norms, out);
  set_etf_floor(vectors, out);
  undefined_fields(out, vectors.group, {"equinorm", "etf_error"}, reason);
  undefined_directions(vectors, reason, out);
}

}  // namespace ncscope::metrics
