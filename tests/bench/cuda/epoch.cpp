// An epoch from the host's memory to its report.
#include <cmath>

#include "kernels/accumulator.h"
#include "kernels/report.h"
#include "tests/bench/cuda/harness.h"
#include "tests/bench/cuda/host_samples.h"

namespace ncscope::bench {
namespace {

struct Epoch {
  std::string name;
  size_t rows;
  size_t dim;
  size_t classes;
  size_t pool_rows;
  DType type;
  bool pinned;
};

// Largest error of some class means, relative to the size of features.
double error_of_means(const Statistics& statistics, const HostSamples& samples, size_t rows) {
  double largest = 0;
  for (size_t c = 0; c < std::min<size_t>(3, statistics.present()); ++c) {
    for (size_t column = 0; column < statistics.dim; column += statistics.dim / 8 + 1) {
      double sum = 0, count = 0;
      for (size_t row = 0; row < samples.rows(); ++row) {
        if (samples.labels()[row] != static_cast<int32_t>(statistics.classes[c])) continue;
        const auto times = static_cast<double>((rows - row + samples.rows() - 1) / samples.rows());
        sum += times * samples.at(row, column);
        count += times;
      }
      const double off = statistics.means[c * statistics.dim + column] - sum / count;
      largest = std::max(largest, std::fabs(off));
      if (count != static_cast<double>(statistics.counts[c])) largest = 1;
    }
  }
  return largest;
}

void measure(Harness& h, const Epoch& epoch) {
  const HostSamples samples(h, epoch.pool_rows, epoch.dim, epoch.classes, epoch.type, epoch.pinned);
  const size_t batch_rows = std::max<size_t>(1, (size_t{64} << 20) / samples.row_bytes());
  cuda::CudaDevice device(h.card);
  const PeakMemory peak(h.card);
  std::vector<double> passes, ends;
  double error = 0, pinv = NAN;
  // The first, on a warm-up's worth of samples, is not counted.
  for (int run = 0; run <= pick(h.mode, 1, 2, 3); ++run) {
    const size_t rows = run == 0 ? std::min(epoch.rows, samples.rows()) : epoch.rows;
    const double start = now_s();
    Accumulator accumulator(device, epoch.classes, epoch.dim, epoch.type);
    for (size_t first = 0; first < rows;) {
      const Batch batch = samples.batch(first, std::min(batch_rows, rows - first));
      accumulator.add(device, batch);
      first += batch.rows;
    }
    NCSCOPE_CUDA_TRY(cudaDeviceSynchronize());
    const double pass_end = now_s();
    const Statistics statistics = accumulator.finish(device);
    const ReportValues report = compute_report(device, statistics, nullptr, nullptr, {});
    const double end = now_s();
    if (run == 0) continue;
    passes.push_back(pass_end - start);
    ends.push_back(end - start);
    error = std::max(error, error_of_means(statistics, samples, rows));
    pinv = report.number("nc1.pinv").value_or(NAN);
  }

  const auto d = static_cast<double>(epoch.dim);
  const auto n = static_cast<double>(epoch.rows);
  // The rate of the products that the pass takes, where it was measured.
  std::string scatter = "scatter/d" + std::to_string(epoch.dim) + "/syrk_add";
  if (!h.record.has(scatter)) scatter = "ssyrk";
  Figure pass = {.name = "epoch/" + epoch.name + "/pass",
                 .unit = "s",
                 .value = median_of(passes),
                 .work = {{n * static_cast<double>(samples.row_bytes()), "host_to_device_pinned"},
                          {n * d * (d + 1), scatter}}};
  pass.error = error;
  pass.error_at_most = 1e-5;
  pass.peak_bytes = peak.bytes();
  pass.numbers = {{"N", n}, {"d", d}, {"K", static_cast<double>(epoch.classes)}};
  pass.note = "samples come round every " + std::to_string(samples.rows());
  h.record.add(pass);
  h.record.add({.name = "epoch/" + epoch.name + "/end_to_end",
                .unit = "s",
                .value = median_of(ends),
                .numbers = {{"nc1_pinv", pinv}, {"N", n}},
                .note = "from the host's memory to the report, without decisions"});
}

}  // namespace

void measure_epoch(Harness& h) {
  const size_t rows = pick<size_t>(h.mode, 2300, 320'000, 1'280'000);
  const size_t many = pick<size_t>(h.mode, 0, 150'000, 300'000);
  std::vector<Epoch> epochs = {
      {"imagenet/pinned/float32", rows, 2048, 1000, 128'000, DType::kFloat32, true},
      {"imagenet/pinned/bfloat16", rows, 2048, 1000, 128'000, DType::kBFloat16, true},
      {"imagenet/pageable/float32", rows, 2048, 1000, 128'000, DType::kFloat32, false},
      {"many_classes/pinned/float32", many, 1024, 30'000, 150'000, DType::kFloat32, true}};
  if (h.smoke()) epochs = {{"smoke", rows, 12, 5, 700, DType::kFloat32, true}};
  for (const Epoch& epoch : epochs) {
    h.attempt("epoch/" + epoch.name, [&] { measure(h, epoch); });
  }
}

}  // namespace ncscope::bench
