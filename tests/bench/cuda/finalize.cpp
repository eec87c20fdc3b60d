// From statistics to a report without decisions, and the sweep over pairs of classes alone.
#include <cmath>

#include "kernels/report.h"
#include "tests/bench/cuda/harness.h"
#include "tests/bench/cuda/made_up.h"

namespace ncscope::bench {
namespace {

std::string shape_name(size_t dim, size_t classes) {
  return "d" + std::to_string(dim) + "_K" + std::to_string(classes);
}

// Random class means, and a scatter that is mostly a multiple of the identity.
Statistics statistics_of(Harness& h, size_t dim, size_t classes) {
  Statistics s = Statistics::empty(classes, dim, DType::kFloat32);
  s.samples = 50 * classes;
  s.sum_squares = static_cast<double>(s.samples * dim);
  s.means.resize(classes * dim);
  {
    const DeviceBuffer made = h.allocate(classes * dim * sizeof(double));
    fill_means(h.stream(), made.as<double>(), classes, dim, 6);
    h.to_host(s.means.data(), made.data(), made.bytes());
  }
  for (size_t c = 0; c < classes; ++c) {
    s.classes.push_back(static_cast<uint32_t>(c));
    s.counts.push_back(50);
    s.within.push_back(50 * static_cast<double>(dim) / 16);
  }
  std::vector<double> noise(dim * dim);
  const DeviceBuffer made = h.allocate(noise.size() * sizeof(double));
  fill(h.stream(), made.as<double>(), noise.size(), 7);
  h.to_host(noise.data(), made.data(), made.bytes());
  s.scatter.resize(dim * dim);
  const double size = static_cast<double>(s.samples) / 16;
  for (size_t i = 0; i < dim; ++i) {
    for (size_t j = 0; j < dim; ++j) {
      s.scatter[i * dim + j] =
          0.1 * size / static_cast<double>(dim) * (noise[i * dim + j] + noise[j * dim + i]);
    }
    s.scatter[i * dim + i] += size;
  }
  return s;
}

void finalize(Harness& h, size_t dim, size_t classes, int runs) {
  const Statistics statistics = statistics_of(h, dim, classes);
  cuda::CudaDevice device(h.card);
  const PeakMemory peak(h.card);
  double pinv = 0, span = 0;
  const auto work = [&] {
    const ReportValues report = compute_report(device, statistics, nullptr, nullptr, {});
    pinv = report.number("nc1.pinv").value_or(NAN);
    span = report.number("nc1.rank").value_or(NAN);
  };
  work();
  Figure figure = {.name = "finalize/" + shape_name(dim, classes), .unit = "s", .value = {}};
  figure.value = h.on_host(runs, work);
  figure.peak_bytes = peak.bytes();
  // Products that no way around has: a Gram matrix or S_B, its factor, S_W's part of the span, and
  // all pairs of classes.
  const auto d = static_cast<double>(dim);
  const auto p = static_cast<double>(classes);
  const double order = std::min(p, d);
  const double flops = d * p * (p + 1) + (p > d ? d * (d + 1) * p : 0) + order * order * order / 3 +
                       2 * d * d * order;
  figure.work = {{flops, "dgemm"}};
  figure.numbers = {{"nc1_pinv", pinv}, {"nc1_rank", span}};
  figure.note = "results are those of the conformance suite, not checked again here";
  h.record.add(figure);
}

}  // namespace

void measure_finalize(Harness& h) {
  struct Shape {
    size_t dim;
    size_t classes;
    int runs;
  };
  std::vector<Shape> shapes = {{2048, 1000, 5}, {1024, 30'000, pick(h.mode, 0, 1, 3)}};
  if (h.mode == Mode::kFull) shapes.push_back({4096, 50'000, 3});
  if (h.smoke()) shapes = {{12, 20, 1}};
  for (const auto& [dim, classes, runs] : shapes) {
    h.attempt("finalize/" + shape_name(dim, classes), [&] { finalize(h, dim, classes, runs); });
  }
}

// Rows are made on the card: [250,000, 4096] of them in float64 are 8.2 GB.
void measure_pairs(Harness& h) {
  const size_t dim = pick<size_t>(h.mode, 12, 4096, 4096);
  const size_t classes = pick<size_t>(h.mode, 30, 50'000, 250'000);
  cuda::CudaDevice device(h.card);
  const PeakMemory peak(h.card);
  const DeviceMatrix rows = device.matrix(classes, dim);
  fill_means(h.stream(), rows.view().data, classes, dim, 8);
  NCSCOPE_CUDA_TRY(cudaStreamSynchronize(h.stream()));
  const std::vector<double> norms = device.row_dots(rows, rows);
  const std::vector<double> variances(classes, 0.5);
  PairInput input;
  input.rows = rows;
  input.squared_norms = norms;
  input.within_variances = variances;
  PairSums sums;
  const auto sweep = [&] { sums = device.pair_reduce(input); };
  {
    // A smaller one first: workspaces, and cuBLAS' kernels.
    const size_t few = std::min<size_t>(classes, 8192);
    PairInput less = input;
    less.rows = rows.view().slice_rows(0, few);
    less.squared_norms = std::span(norms).first(few);
    less.within_variances = std::span(variances).first(few);
    device.pair_reduce(less);
  }
  Figure figure = {.name = "pair_sweep/" + shape_name(dim, classes), .unit = "s", .value = {}};
  figure.value = h.on_host(pick(h.mode, 1, 3, 1), sweep);
  const auto p = static_cast<double>(classes);
  figure.work = {{p * (p + 1) * static_cast<double>(dim), "dgemm"}};
  figure.peak_bytes = peak.bytes();
  figure.numbers["coherence"] = sums.coherence ? sums.coherence->value : NAN;
  // The distance of a few rows to the nearest they are said to have, in plain float64.
  double error = sums.pairs == classes * (classes - 1) / 2 ? 0 : 1;
  std::vector<double> one(dim), other(dim);
  for (size_t c = 0; c < classes; c += classes / 4 + 1) {
    device.copy_to_host(one.data(), rows.view().row(c), dim * sizeof(double));
    device.copy_to_host(other.data(), rows.view().row(sums.nearest[c]), dim * sizeof(double));
    double square = 0;
    for (size_t j = 0; j < dim; ++j) square += (one[j] - other[j]) * (one[j] - other[j]);
    error = std::max(error, std::fabs(std::sqrt(square) / sums.nearest_distance[c] - 1));
  }
  figure.error = error;
  figure.error_at_most = 1e-9;
  h.record.add(figure);
}

}  // namespace ncscope::bench
