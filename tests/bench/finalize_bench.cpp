// From statistics to a report without decisions, with and without a classifier, against a dense
// pseudo-inverse of the same S_B.
#include <benchmark/benchmark.h>
#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/backend.h"
#include "kernels/report.h"
#include "kernels/statistics.h"
#include "tests/bench/machine.h"
#include "tests/support/random.h"

namespace ncscope::bench {
namespace {

struct FinalizeInput {
  Statistics statistics;
  Classifier classifier;
};

// Normal class means, S_W = I / 16, a classifier near the means.
FinalizeInput finalize_input(size_t dim, size_t classes) {
  test::Random random(dim + classes);
  FinalizeInput out;
  Statistics& s = out.statistics;
  s = Statistics::empty(classes, dim, DType::kFloat32);
  s.samples = 50 * classes;
  s.sum_squares = static_cast<double>(s.samples * dim);
  s.means = random.normals(classes * dim);
  for (size_t c = 0; c < classes; ++c) {
    s.classes.push_back(static_cast<uint32_t>(c));
    s.counts.push_back(50);
    s.within.push_back(50 * static_cast<double>(dim) / 16);
  }
  s.scatter.assign(dim * dim, 0);
  for (size_t j = 0; j < dim; ++j) s.scatter[j * dim + j] = static_cast<double>(s.samples) / 16;
  out.classifier = {classes, dim, s.means, std::vector<double>(classes, 0.1)};
  for (double& x : out.classifier.weight) x += 0.1 * random.uniform();
  return out;
}

void finalize(benchmark::State& bench) {
  const auto device = make_device(Backend::kCpu);
  const FinalizeInput input =
      finalize_input(static_cast<size_t>(bench.range(0)), static_cast<size_t>(bench.range(1)));
  const Classifier* classifier = bench.range(2) != 0 ? &input.classifier : nullptr;
  reset_peak_memory();
  for (auto _ : bench) {
    benchmark::DoNotOptimize(compute_report(*device, input.statistics, classifier, nullptr, {}));
  }
  bench.counters["peak_memory_mib"] = peak_memory_bytes() / 1048576.0;
}

// A report with the one-vs-rest margin of the means.
void finalize_with_margin(benchmark::State& bench) {
  const auto device = make_device(Backend::kCpu);
  const FinalizeInput input =
      finalize_input(static_cast<size_t>(bench.range(0)), static_cast<size_t>(bench.range(1)));
  ReportOptions options;
  options.one_vs_rest_margin = true;
  ReportValues report;
  for (auto _ : bench) {
    report = compute_report(*device, input.statistics, nullptr, nullptr, options);
  }
  bench.counters["margin"] = *report.number("nc2.means.one_vs_rest_margin");
  bench.counters["gap"] = *report.number("nc2.means.one_vs_rest_margin_gap");
}

// S_B [d, d], uniform weighting.
std::vector<double> between_scatter(const Statistics& s) {
  const size_t dim = s.dim, classes = s.present();
  const double share = 1 / static_cast<double>(classes);
  std::vector<double> center(dim, 0), rows = s.means, out(dim * dim);
  for (size_t i = 0; i < rows.size(); ++i) center[i % dim] += share * rows[i];
  for (size_t i = 0; i < rows.size(); ++i) rows[i] -= center[i % dim];
  const auto n = static_cast<int>(dim);
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, static_cast<int>(classes), share,
              rows.data(), n, rows.data(), n, 0, out.data(), n);
  return out;
}

// nc1.pinv as its definition reads: S_B = U diag(s) V^T by dgesdd, S_B^+ multiplied out, the trace.
double dense_pinv(std::vector<double> s_b, const Statistics& s) {
  const size_t dim = s.dim;
  const auto n = static_cast<int>(dim);
  std::vector<double> values(dim), u(dim * dim), vt(dim * dim), inverse(dim * dim);
  if (LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'A', n, n, s_b.data(), n, values.data(), u.data(), n,
                     vt.data(), n) != 0) {
    throw std::runtime_error("dgesdd failed");
  }
  const double cutoff = static_cast<double>(std::max(s.present(), dim)) *
                        std::numeric_limits<double>::epsilon() * values[0];
  for (size_t k = 0; k < dim; ++k) {
    cblas_dscal(n, values[k] > cutoff ? 1 / values[k] : 0, &u[k * dim], 1);
  }
  cblas_dgemm(CblasColMajor, CblasTrans, CblasTrans, n, n, n, 1, vt.data(), n, u.data(), n, 0,
              inverse.data(), n);
  return cblas_ddot(n * n, inverse.data(), 1, s.scatter.data(), 1) /
         static_cast<double>(s.samples * s.present());
}

// Median of some runs.
double seconds_of(int runs, const auto& work) {
  std::vector<double> seconds;
  for (int run = 0; run < runs; ++run) {
    const double start = now_s();
    work();
    seconds.push_back(now_s() - start);
  }
  std::ranges::nth_element(seconds, seconds.begin() + runs / 2);
  return seconds[static_cast<size_t>(runs / 2)];
}

// The dense pseudo-inverse alone, median of 3; then *_share: median time of a whole report over it.
void dense_pinv_baseline(benchmark::State& bench) {
  const auto device = make_device(Backend::kCpu);
  const FinalizeInput input =
      finalize_input(static_cast<size_t>(bench.range(0)), static_cast<size_t>(bench.range(1)));
  const std::vector<double> s_b = between_scatter(input.statistics);
  double pinv = 0, ours = 0, dense_seconds = 0;
  for (auto _ : bench) {
    dense_seconds = seconds_of(3, [&] { pinv = dense_pinv(s_b, input.statistics); });
    bench.SetIterationTime(dense_seconds);
  }
  const auto report_seconds = [&](const Classifier* classifier) {
    return seconds_of(7, [&] {
      ours = *compute_report(*device, input.statistics, classifier, nullptr, {}).number("nc1.pinv");
    });
  };
  bench.counters["finalize_share"] = report_seconds(nullptr) / dense_seconds;
  bench.counters["with_classifier_share"] = report_seconds(&input.classifier) / dense_seconds;
  bench.counters["pinv_relative_difference"] = std::abs(ours / pinv - 1);
}

BENCHMARK(finalize)
    ->ArgsProduct({{512}, {10}, {0, 1}})
    ->ArgsProduct({{2048}, {1000}, {0, 1}})
    ->ArgsProduct({{1024}, {30000}, {0, 1}})
    ->ArgNames({"d", "K", "classifier"})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

BENCHMARK(finalize_with_margin)
    ->Args({2048, 1000})
    ->Args({512, 10000})
    ->ArgNames({"d", "K"})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

BENCHMARK(dense_pinv_baseline)
    ->Args({2048, 1000})
    ->ArgNames({"d", "K"})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime();

}  // namespace
}  // namespace ncscope::bench
