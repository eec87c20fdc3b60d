#include "tests/support/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ncscope::test {
namespace {

using Wide = long double;

Wide dot(const double* a, const double* b, size_t n) {
  Wide sum = 0;
  for (size_t j = 0; j < n; ++j) sum += Wide{a[j]} * b[j];
  return sum;
}

Wide squared_distance(const double* a, const double* b, size_t n) {
  Wide sum = 0;
  for (size_t j = 0; j < n; ++j) sum += (Wide{a[j]} - b[j]) * (Wide{a[j]} - b[j]);
  return sum;
}

// Values of the pairs, for a second pass.
struct PairValues {
  std::vector<Wide> cosines, distances, logs, riesz;
};

Moments moments_of(const std::vector<Wide>& values) {
  Wide mean = 0;
  for (const Wide x : values) mean += x / values.size();
  Wide m2 = 0;
  for (const Wide x : values) m2 += (x - mean) * (x - mean);
  return {values.size(), static_cast<double>(mean), static_cast<double>(m2)};
}

// A row's rounding, and what is known of it, as an angle.
Wide direction_resolution(const PairInput& input, size_t c) {
  if (input.resolution.empty()) return 0x1p-48L;
  const double* const x = input.rows.row(c);
  const Wide norm = std::sqrt(dot(x, x, input.rows.cols));
  return std::min(0x1p-48L + input.resolution[c] / norm, 0x1p-6L);
}

void add_units(const PairInput& input, size_t c, size_t e, PairSums& out, PairValues& values) {
  const size_t d = input.rows.cols;
  const auto p = static_cast<Wide>(input.rows.rows);
  const double* const x = input.rows.row(c);
  const double* const y = input.rows.row(e);
  const Wide x_norm = std::sqrt(dot(x, x, d));
  const Wide y_norm = std::sqrt(dot(y, y, d));
  Wide square = 0;
  for (size_t j = 0; j < d; ++j) {
    square += (x[j] / x_norm - y[j] / y_norm) * (x[j] / x_norm - y[j] / y_norm);
  }
  const Wide distance = std::sqrt(square);
  values.distances.push_back(distance);
  if (distance <= direction_resolution(input, c) + direction_resolution(input, e)) {
    if (!out.aligned) out.aligned = PairExtreme{c, e, static_cast<double>(distance)};
    return;
  }
  values.logs.push_back(-std::log(distance));
  const Wide s = d > 2 ? static_cast<Wide>(d - 2) : 0;
  values.riesz.push_back(std::pow(square / (2 * p / (p - 1)), -s / 2));
}

// What one pair adds; `values` collects for the second pass.
void add_pair(const PairInput& input, size_t c, size_t e, PairSums& out, PairValues& values) {
  const size_t p = input.rows.rows;
  const size_t d = input.rows.cols;
  const double* const x = input.rows.row(c);
  const double* const y = input.rows.row(e);
  ++out.pairs;
  const Wide norms = std::sqrt(dot(x, x, d)) * std::sqrt(dot(y, y, d));
  if (norms > 0) {
    const Wide cosine = dot(x, y, d) / norms;
    values.cosines.push_back(cosine);
    add_units(input, c, e, out, values);
    out.max_angle_sum += static_cast<double>(std::fabs(cosine + Wide{1} / (p - 1)));
    if (!out.coherence || cosine > out.coherence->value) {
      out.coherence = PairExtreme{c, e, static_cast<double>(cosine)};
    }
  }
  const Wide squared = squared_distance(x, y, d);
  const auto distance = static_cast<double>(std::sqrt(squared));
  for (const auto& [row, other] : {std::pair{c, e}, std::pair{e, c}}) {
    if (distance < out.nearest_distance[row]) {
      out.nearest_distance[row] = distance;
      out.nearest[row] = other;
    }
  }
  const double resolution =
      input.resolution.empty() ? 0 : input.resolution[c] + input.resolution[e];
  if (distance <= resolution) {
    if (!out.equal) out.equal = PairExtreme{c, e, distance};
    return;
  }
  if (input.within_variances.empty()) return;
  const Wide spread = Wide{input.within_variances[c]} + input.within_variances[e];
  const auto cdnv = static_cast<double>(spread / (2 * squared));
  out.cdnv_sum += cdnv;
  out.cdnv_fourth_sum += static_cast<double>(spread / (2 * squared * squared));
  if (!out.cdnv_worst || cdnv > out.cdnv_worst->value) out.cdnv_worst = PairExtreme{c, e, cdnv};
}

}  // namespace

Statistics oracle_statistics(const Samples& samples) {
  const size_t d = samples.dim;
  Statistics out;
  out.num_classes = samples.num_classes;
  out.dim = d;
  out.input_type = samples.type;
  out.product_type = compute_type(samples.type);
  std::vector<Wide> scatter(d * d);
  Wide squares = 0;
  for (size_t c = 0; c < samples.num_classes; ++c) {
    std::vector<const double*> rows;
    for (size_t i = 0; i < samples.rows(); ++i) {
      if (samples.labels[i] == static_cast<int32_t>(c)) rows.push_back(&samples.values[i * d]);
    }
    if (rows.empty()) continue;
    std::vector<Wide> mean(d);
    for (const double* row : rows) {
      for (size_t j = 0; j < d; ++j) mean[j] += row[j];
      squares += dot(row, row, d);
    }
    for (Wide& m : mean) m /= rows.size();
    Wide within = 0;
    std::vector<Wide> x(d);
    for (const double* row : rows) {
      for (size_t j = 0; j < d; ++j) x[j] = row[j] - mean[j];
      for (size_t j = 0; j < d; ++j) {
        within += x[j] * x[j];
        for (size_t l = j; l < d; ++l) scatter[j * d + l] += x[j] * x[l];
      }
    }
    out.classes.push_back(static_cast<uint32_t>(c));
    out.counts.push_back(rows.size());
    out.samples += rows.size();
    for (const Wide m : mean) out.means.push_back(static_cast<double>(m));
    out.within.push_back(static_cast<double>(within));
  }
  out.sum_squares = static_cast<double>(squares);
  for (size_t j = 0; j < d; ++j) {
    for (size_t l = 0; l < d; ++l) {
      out.scatter.push_back(static_cast<double>(scatter[std::min(j, l) * d + std::max(j, l)]));
    }
  }
  return out;
}

PairSums oracle_pairs(const PairInput& input) {
  const size_t p = input.rows.rows;
  PairSums out;
  out.nearest.resize(p);
  out.nearest_distance.resize(p, std::numeric_limits<double>::infinity());
  PairValues values;
  for (size_t c = 0; c < p; ++c) {
    for (size_t e = c + 1; e < p; ++e) add_pair(input, c, e, out, values);
  }
  out.cosine = moments_of(values.cosines);
  out.unit_distance = moments_of(values.distances);
  out.unit_log = moments_of(values.logs);
  out.unit_riesz = moments_of(values.riesz);
  out.gram_residual = oracle_gram_residual(input.rows, input.rows, input.etf_scale);
  return out;
}

double oracle_gram_residual(ConstMatrix a, ConstMatrix b, double alpha) {
  const auto p = static_cast<Wide>(a.rows);
  Wide sum = 0;
  for (size_t c = 0; c < a.rows; ++c) {
    for (size_t e = 0; e < a.rows; ++e) {
      const Wide ideal = ((c == e ? 1 : 0) - 1 / p) / std::sqrt(p - 1);
      const Wide difference = dot(a.row(c), b.row(e), a.cols) - alpha * ideal;
      sum += difference * difference;
    }
  }
  return static_cast<double>(sum);
}

std::vector<int32_t> oracle_argmax(const Samples& samples, const AffineScores& scores) {
  const size_t d = samples.dim;
  std::vector<int32_t> out(samples.rows());
  for (size_t i = 0; i < samples.rows(); ++i) {
    double best = -std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < scores.rows.rows; ++c) {
      double score = 0;
      for (size_t j = 0; j < d; ++j) {
        const double center = scores.center.empty() ? 0 : scores.center[j];
        const double h = samples.values[i * d + j] - center;
        const double a = scores.rows.row(c)[j];
        score += scores.points ? -(a - h) * (a - h) : a * h;
      }
      if (!scores.points) score += scores.offset[c];
      if (score > best) {
        best = score;
        out[i] = static_cast<int32_t>(c);
      }
    }
  }
  return out;
}

}  // namespace ncscope::test
