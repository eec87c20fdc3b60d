#include "kernels/metrics/uniformity.h"

#include <cmath>

#include "kernels/metrics/undefined.h"
#include "kernels/unit_rows.h"

namespace ncscope::metrics {
namespace {

// `error` of a mean where pairs were sampled.
void set_moments(const EtfVectors& vectors, const char* kernel, const Moments& moments,
                 std::optional<double> error, ReportValues& out) {
  const std::string path = std::string(vectors.group) + ".uniformity_" + kernel;
  out.set(path + "_mean", moments.mean);
  out.set(path + "_var", moments.variance());
  if (error) out.set(path + "_standard_error", *error);
}

// scaled * root^times where float64 holds it to full precision.
void set_scaled(const std::string& path, double scaled, double root, int times,
                const std::string& reason, ReportValues& out) {
  double value = scaled;
  for (int i = 0; i < times; ++i) value *= root;
  if (scaled == 0 || std::isnormal(value)) {
    out.set(path, value);
  } else {
    out.undefined(path, reason);
  }
}

// From moments beside the kernel's value on a simplex, of s > 0.
void set_riesz(const EtfVectors& vectors, const Moments& riesz, ReportValues& out) {
  const std::string path = std::string(vectors.group) + ".uniformity_riesz";
  const double s = static_cast<double>(vectors.dim - 2);
  // The root of the value on a simplex, D^2 = ideal_square.
  const double root = std::pow(riesz_power(vectors.count, vectors.dim).ideal_square, -s / 4);
  const std::string reason = "||u - u'||^-s of s = d - 2 = " + std::to_string(vectors.dim - 2) +
                             " is outside the range of float64";
  set_scaled(path + "_mean", riesz.mean, root, 2, reason, out);
  set_scaled(path + "_var", riesz.variance(), root, 4, reason, out);
}

}  // namespace

void uniformity_undefined(const EtfVectors& vectors, const std::string& reason, ReportValues& out) {
  undefined_fields(out, vectors.group,
                   {"uniformity_distance_mean", "uniformity_distance_var", "uniformity_log_mean",
                    "uniformity_log_var", "uniformity_riesz_mean", "uniformity_riesz_var"},
                   reason);
}

void uniformity(const EtfVectors& vectors, const PairMetrics& metrics, ReportValues& out) {
  const PairSums& pairs = metrics.sums;
  const auto error = [&](double PairSampling::*of) {
    return metrics.sampling ? std::optional((*metrics.sampling).*of) : std::nullopt;
  };
  const std::optional<double> distance_error = error(&PairSampling::distance_error);
  set_moments(vectors, "distance", pairs.unit_distance, distance_error, out);
  if (vectors.dim == 1) {  // s = -1
    Moments negative = pairs.unit_distance;
    negative.mean *= -1;
    set_moments(vectors, "riesz", negative, distance_error, out);
  } else if (vectors.dim == 2) {  // s = 0
    set_moments(vectors, "riesz", {}, metrics.sampling ? std::optional(0.0) : std::nullopt, out);
  }
  if (pairs.aligned) {
    const std::string reason =
        "the " + std::string(vectors.vectors) + "s of classes " +
        std::to_string(vectors.label(pairs.aligned->first)) + " and " +
        std::to_string(vectors.label(pairs.aligned->second)) +
        " have the same direction, so that the kernel of their distance is infinite";
    undefined_fields(out, vectors.group, {"uniformity_log_mean", "uniformity_log_var"}, reason);
    if (vectors.dim <= 2) return;
    undefined_fields(out, vectors.group, {"uniformity_riesz_mean", "uniformity_riesz_var"}, reason);
    return;
  }
  set_moments(vectors, "log", pairs.unit_log, error(&PairSampling::log_error), out);
  if (vectors.dim <= 2) return;
  if (metrics.sampling) {
    undefined_fields(out, vectors.group, {"uniformity_riesz_mean", "uniformity_riesz_var"},
                     "the closest pairs decide it: " + needs_all_pairs(*metrics.sampling));
  } else {
    set_riesz(vectors, pairs.unit_riesz, out);
  }
}

}  // namespace ncscope::metrics
