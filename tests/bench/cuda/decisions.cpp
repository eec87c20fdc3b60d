// The second look at the samples: the nearest centre of each.
#include "tests/bench/cuda/harness.h"
#include "tests/bench/cuda/host_samples.h"
#include "tests/bench/cuda/made_up.h"

namespace ncscope::bench {

void measure_decisions(Harness& h) {
  const size_t rows = pick<size_t>(h.mode, 90, 262'144, 1'000'000);
  const size_t dim = pick<size_t>(h.mode, 12, 1024, 1024);
  const size_t classes = pick<size_t>(h.mode, 30, 30'000, 30'000);
  const HostSamples samples(h, pick<size_t>(h.mode, 45, 131'072, 131'072), dim, classes,
                            DType::kFloat32, true);
  cuda::CudaDevice device(h.card);
  const PeakMemory peak(h.card);
  // The means that samples were made of, with the seed of HostSamples: noise is as large as the
  // distance to other centres in few columns only, so that the right answer is the label.
  const DeviceMatrix centers = device.matrix(classes, dim);
  fill_means(h.stream(), centers.view().data, classes, dim, 5);
  NCSCOPE_CUDA_TRY(cudaStreamSynchronize(h.stream()));
  std::vector<double> offset = device.row_dots(centers, centers);
  for (double& t : offset) t *= -0.5;
  const AffineScores scores = {.rows = centers, .center = {}, .offset = offset, .points = true};
  uint64_t agreed = 0;
  const auto pass = [&] {
    agreed = 0;
    for (size_t first = 0; first < rows;) {
      const Batch batch = samples.batch(first, std::min<size_t>(16'384, rows - first));
      const std::vector<int32_t> places = device.argmax_affine(batch, scores);
      for (size_t i = 0; i < batch.rows; ++i) agreed += places[i] == batch.labels[i] ? 1 : 0;
      first += batch.rows;
    }
  };
  device.argmax_affine(samples.batch(0, 16'384), scores);
  Figure figure = {.name = "nearest_center/N" + std::to_string(rows) + "_d" + std::to_string(dim) +
                           "_K" + std::to_string(classes),
                   .unit = "flop/s",
                   .value = {}};
  const Measured seconds = h.on_host(pick(h.mode, 1, 2, 2), pass);
  const double flops =
      2.0 * static_cast<double>(rows) * static_cast<double>(dim) * static_cast<double>(classes);
  figure.set_rate(seconds, flops, "sgemm");
  figure.peak_bytes = peak.bytes();
  figure.error = 1 - static_cast<double>(agreed) / static_cast<double>(rows);
  figure.error_at_most = h.smoke() ? 0.5 : 1e-3;
  figure.note = "error: samples that are not given to the class they were made of";
  h.record.add(figure);
}

}  // namespace ncscope::bench
