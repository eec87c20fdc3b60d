#include "kernels/metrics/uniformity.h"

#include <cmath>

#include "kernels/metrics/undefined.h"
#include "kernels/unit_rows.h"

namespace ncscope::metrics {
namespace {

void set_moments(const EtfVectors& vectors, const char* kernel, double mean, double variance,
                 ReportValues& out) {
  const std::string path = std::string(vectors.group) + ".uniformity_" + kernel;
  out.set(path + "_mean", mean);
  out.set(path + "_var", variance);
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

void uniformity(const EtfVectors& vectors, const PairSums& pairs, ReportValues& out) {
  const Moments& distance = pairs.unit_distance;
  set_moments(vectors, "distance", distance.mean, distance.variance(), out);
  if (vectors.dim == 1) {  // s = -1
    set_moments(vectors, "riesz", -distance.mean, distance.variance(), out);
  } else if (vectors.dim == 2) {  // s = 0
    set_moments(vectors, "riesz", 0, 0, out);
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
  set_moments(vectors, "log", pairs.unit_log.mean, pairs.unit_log.variance(), out);
  if (vectors.dim > 2) set_riesz(vectors, pairs.unit_riesz, out);
}

}  // namespace ncscope::metrics
