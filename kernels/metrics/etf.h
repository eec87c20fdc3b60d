// Distance of a set of vectors from a simplex equiangular tight frame (ETF), whose Gram matrix is
// E = (I - 11^T/m)/sqrt(m-1), ||E||_F = 1.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/device.h"
#include "kernels/metrics/pair_sample.h"
#include "kernels/report_values.h"

namespace ncscope::metrics {

// [cols] sums over the rows of a device matrix.
std::vector<double> column_sums(Device& device, ConstMatrix rows);

// XX^T [m, m] where it is no larger than X [m, d] by much, m - 1 <= d; else empty.
DeviceMatrix small_products(Device& device, ConstMatrix rows);

// <XX^T, E> of the rows x_c of X [m, d], m >= 2, from their squared norms.
double etf_inner(Device& device, ConstMatrix rows, std::span<const double> squared_norms);

// ||A/||A||_F - E||_F from alpha = <A, E> and R^2 = ||A - alpha E||_F^2, which are not both zero.
//
// METRICS.md 3.4's identity 2 - 2 alpha/||A||_F is not used: its rounding error of some eps comes
// out of the square root as some 1e-8, which grows with m and d. Here R^2 is a sum of squares and
// nothing cancels.
double etf_distance(double alpha, double residual_squared);

// A set of vectors, one per class, for etf_metrics.
struct EtfVectors {
  std::string_view group;                     // "nc2.means", "nc2.classifier"
  std::string_view vectors;                   // what they are, for a reason's words
  size_t count = 0;                           // m >= 2
  size_t dim = 0;                             // d
  std::span<const double> squared_norms;      // [m]
  std::span<const double> raw_norms;          // [m] before centring
  std::optional<uint32_t> zero;               // label of the first vector that is zero
  std::function<uint32_t(size_t row)> label;  // class of a vector
  double etf_inner = 0;                       // <XX^T, E>
};

// Writes equinorm, equinorm_raw, equiangular, max_angle, coherence, coherence_pair, etf_error,
// etf_floor and uniformity of a group, with sample size and standard errors where pairs were
// sampled: coherence then has no value. The vectors must not all be zero.
void etf_metrics(const EtfVectors& vectors, const PairMetrics& pairs, ReportValues& out);

// The same where the vectors are all zero, for `reason`: what is left is equinorm_raw, etf_floor.
void etf_metrics_undefined(const EtfVectors& vectors, const std::string& reason, ReportValues& out);

}  // namespace ncscope::metrics
