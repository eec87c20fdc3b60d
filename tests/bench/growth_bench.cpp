// How the parts of an epoch grow with N, d and K: the pass over the samples, the report, the
// decisions. growth.py runs it and fits exponents.
#include <benchmark/benchmark.h>

#include "kernels/accumulator.h"
#include "kernels/backend.h"
#include "kernels/decisions.h"
#include "kernels/report.h"
#include "tests/bench/epoch.h"
#include "tests/bench/machine.h"

namespace ncscope::bench {
namespace {

Epoch growing_epoch(const benchmark::State& state) {
  return {static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)),
          static_cast<size_t>(state.range(2)), DType::kFloat32};
}

Statistics pass_over(Device& device, const Epoch& epoch) {
  Accumulator accumulator(device, epoch.num_classes, epoch.dim, epoch.type);
  for (size_t first = 0; first < epoch.rows(); first += kBatchRows) {
    accumulator.add(device, epoch.batch(first));
  }
  return accumulator.finish(device);
}

// Of the means: what the numbers are costs nothing.
Classifier classifier_of(const Statistics& s) {
  Classifier out{s.num_classes, s.dim, std::vector<double>(s.num_classes * s.dim, 0.5), {}};
  for (size_t row = 0; row < s.present(); ++row) {
    std::copy_n(s.means.data() + row * s.dim, s.dim, out.weight.data() + s.classes[row] * s.dim);
  }
  return out;
}

void GrowthPass(benchmark::State& state) {
  const Epoch epoch = growing_epoch(state);
  const auto device = make_device(Backend::kCpu);
  for (auto _ : state) benchmark::DoNotOptimize(pass_over(*device, epoch));
}

void GrowthReport(benchmark::State& state) {
  const Epoch epoch = growing_epoch(state);
  const auto device = make_device(Backend::kCpu);
  const Statistics statistics = pass_over(*device, epoch);
  const Classifier classifier = classifier_of(statistics);
  for (auto _ : state) {
    benchmark::DoNotOptimize(compute_report(*device, statistics, &classifier, nullptr, {}));
  }
}

void GrowthDecisions(benchmark::State& state) {
  const Epoch epoch = growing_epoch(state);
  const auto device = make_device(Backend::kCpu);
  const Statistics statistics = pass_over(*device, epoch);
  const Classifier classifier = classifier_of(statistics);
  for (auto _ : state) {
    DecisionCounter counter(*device, statistics, &classifier);
    for (size_t first = 0; first < epoch.rows(); first += kBatchRows) {
      counter.add(*device, epoch.batch(first));
    }
    benchmark::DoNotOptimize(counter.counts());
  }
}

// Every sample at its class mean, so that distances decide once there are enough of them.
void GrowthDecisionsCollapsed(benchmark::State& state) {
  const Epoch epoch = growing_epoch(state);
  const auto device = make_device(Backend::kCpu);
  const Statistics statistics = pass_over(*device, epoch);
  const Classifier classifier = classifier_of(statistics);
  std::vector<size_t> rows(epoch.num_classes);
  for (size_t row = 0; row < statistics.present(); ++row) rows[statistics.classes[row]] = row;
  std::vector<float> features;
  for (size_t i = 0; i < kBatchRows; ++i) {
    const double* const mean = statistics.means.data() + rows[epoch.labels[i]] * epoch.dim;
    features.insert(features.end(), mean, mean + epoch.dim);
  }
  for (auto _ : state) {
    DecisionCounter counter(*device, statistics, &classifier);
    for (size_t first = 0; first < epoch.rows(); first += kBatchRows) {
      Batch batch = epoch.batch(first);
      batch.features = features.data();
      batch.labels = epoch.labels.data();
      counter.add(*device, batch);
    }
    benchmark::DoNotOptimize(counter.counts());
  }
}

void growing(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"N", "d", "K"})->UseRealTime()->Unit(benchmark::kMillisecond);
  for (const int64_t n : {10'000, 30'000, 100'000, 300'000, 1'000'000}) bench->Args({n, 256, 100});
  for (const int64_t d : {64, 128, 256, 512, 1024, 2048, 4096}) bench->Args({20'000, d, 100});
  for (const int64_t k : {10, 100, 1'000, 10'000, 50'000}) bench->Args({50'000, 128, k});
}

BENCHMARK(GrowthPass)->Apply(growing);
BENCHMARK(GrowthReport)->Apply(growing);
BENCHMARK(GrowthDecisions)->Apply(growing);
BENCHMARK(GrowthDecisionsCollapsed)->Apply(growing);

}  // namespace
}  // namespace ncscope::bench
