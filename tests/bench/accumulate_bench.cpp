// The pass over an epoch's samples: ours, and what is usually done instead.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/accumulator.h"
#include "kernels/backend.h"
#include "kernels/cpu/blas.h"
#include "tests/bench/epoch.h"
#include "tests/bench/machine.h"

namespace ncscope::bench {
namespace {

Epoch make_epoch(const benchmark::State& state) {
  return {static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)),
          static_cast<size_t>(state.range(2)), static_cast<DType>(state.range(3))};
}

// Counters common to both; `flops` is useful work in one iteration, `seconds` its time in all.
void report(benchmark::State& state, const Epoch& epoch, double flops, double seconds,
            double sgemm) {
  const auto rounds = static_cast<double>(state.iterations());
  const auto bytes = static_cast<double>(epoch.rows() * epoch.dim * dtype_size(epoch.type));
  state.SetLabel(std::string(dtype_name(epoch.type)));
  state.counters["sgemm_gflops"] = sgemm * 1e-9;
  state.counters["share_of_sgemm"] = flops * rounds / seconds / sgemm;
  state.counters["input_bytes_per_s"] = bytes * rounds / seconds;
  state.counters["peak_memory_mib"] = peak_memory_bytes() / 1048576.0;
  state.counters["input_pool_mib"] = static_cast<double>(epoch.pool.size()) / 1048576.0;
}

// Samples in full tiles of kTileRows; the rest waits for finish(), which is not timed.
double scatter_flops(const Epoch& epoch) {
  const auto rows = static_cast<double>(epoch.rows() / kTileRows * kTileRows);
  return rows * static_cast<double>(epoch.dim) * static_cast<double>(epoch.dim + 1);
}

void Accumulate(benchmark::State& state) {
  const Epoch epoch = make_epoch(state);
  const auto device = make_device(Backend::kCpu);
  double sgemm = sgemm_rate();
  double seconds = 0;
  double finish_seconds = 0;
  reset_peak_memory();
  for (auto _ : state) {
    Accumulator accumulator(*device, epoch.num_classes, epoch.dim, epoch.type);
    const double start = now_s();
    for (size_t first = 0; first < epoch.rows(); first += kBatchRows) {
      accumulator.add(*device, epoch.batch(first));
    }
    const double end = now_s();
    state.SetIterationTime(end - start);
    seconds += end - start;
    const Statistics statistics = accumulator.finish(*device);
    benchmark::DoNotOptimize(statistics.scatter.data());
    finish_seconds += now_s() - end;
  }
  // The better of before and after: a machine that others use is slow at times.
  sgemm = std::max(sgemm, sgemm_rate());
  report(state, epoch, scatter_flops(epoch), seconds, sgemm);
  state.counters["state_mib"] =
      static_cast<double>(Accumulator::bytes_needed(epoch.num_classes, epoch.dim, epoch.type)) /
      1048576.0;
  state.counters["finish_s"] = finish_seconds / static_cast<double>(state.iterations());
}

// Two passes in float32: class means, then X^T X of the centred rows of each batch.
void AccumulateNaive(benchmark::State& state) {
  const Epoch epoch = make_epoch(state);
  const size_t d = epoch.dim;
  double sgemm = sgemm_rate();
  double seconds = 0;
  reset_peak_memory();
  for (auto _ : state) {
    std::vector<float> means(epoch.num_classes * d);
    std::vector<float> counts(epoch.num_classes);
    std::vector<float> scatter(d * d);
    std::vector<float> rows(kBatchRows * d);
    const double start = now_s();
    for (int pass = 0; pass < 2; ++pass) {
      for (size_t first = 0; first < epoch.rows(); first += kBatchRows) {
        const Batch batch = epoch.batch(first);
        convert(batch.type, batch.features, batch.rows * d, rows.data());
        for (size_t i = 0; i < batch.rows; ++i) {
          float* const mean = means.data() + static_cast<size_t>(batch.labels[i]) * d;
          float* const row = rows.data() + i * d;
          if (pass == 0) {
            counts[static_cast<size_t>(batch.labels[i])] += 1;
            for (size_t j = 0; j < d; ++j) mean[j] += row[j];
          } else {
            for (size_t j = 0; j < d; ++j) row[j] -= mean[j];
          }
        }
        if (pass == 1) {
          blas::gemm(true, false, d, d, batch.rows, 1.0F, rows.data(), d, rows.data(), d, 1.0F,
                     scatter.data(), d);
        }
      }
      for (size_t c = 0; pass == 0 && c < epoch.num_classes; ++c) {
        for (size_t j = 0; j < d && counts[c] > 0; ++j) means[c * d + j] /= counts[c];
      }
    }
    const double end = now_s();
    state.SetIterationTime(end - start);
    seconds += end - start;
    benchmark::DoNotOptimize(scatter.data());
  }
  sgemm = std::max(sgemm, sgemm_rate());
  report(state, epoch, scatter_flops(epoch), seconds, sgemm);
}

void shapes(benchmark::internal::Benchmark* bench, std::initializer_list<DType> types) {
  bench->ArgNames({"N", "d", "K", "type"})->UseManualTime()->Unit(benchmark::kMillisecond);
  for (const DType type : types) {
    const auto code = static_cast<int64_t>(type);
    bench->Args({50000, 512, 10, code});
    bench->Args({50000, 2048, 1000, code});
    bench->Args({100000, 1024, 30000, code});
  }
}

BENCHMARK(Accumulate)->Apply([](benchmark::internal::Benchmark* bench) {
  shapes(bench, {DType::kFloat32, DType::kBFloat16});
});
BENCHMARK(AccumulateNaive)->Apply([](benchmark::internal::Benchmark* bench) {
  shapes(bench, {DType::kFloat32});
});

}  // namespace
}  // namespace ncscope::bench
