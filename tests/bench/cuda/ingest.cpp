// Samples from the host's memory into the sums: the whole pass, as fast as they come in.
#include "kernels/accumulator.h"
#include "kernels/cuda/staging.h"
#include "tests/bench/cuda/harness.h"
#include "tests/bench/cuda/host_samples.h"

namespace ncscope::bench {
namespace {

struct Ingest {
  Harness& h;
  size_t dim;
  DType type;
  bool pinned;
  size_t batch_bytes;  // of one call of add()
};

std::string memory_of(const Ingest& in) { return in.pinned ? "pinned" : "pageable"; }

Figure figure_of(const Ingest& in, const std::string& what) {
  return {.name = "ingest/" + what + memory_of(in) + "/d" + std::to_string(in.dim) + "/" +
                  std::string(dtype_name(in.type)),
          .unit = "byte/s",
          .value = {}};
}

void measure(const Ingest& in, const HostSamples& samples, const std::string& what) {
  constexpr size_t kClasses = 1000;
  cuda::CudaDevice device(in.h.card);
  Figure figure = figure_of(in, what);
  const PeakMemory peak(in.h.card);
  Accumulator accumulator(device, in.h.smoke() ? 10 : kClasses, in.dim, in.type);
  const size_t batch_rows = std::max<size_t>(1, in.batch_bytes / samples.row_bytes());
  size_t first = 0;
  const auto pass = [&] {
    const size_t end = first + samples.rows();
    while (first < end) {
      const Batch batch = samples.batch(first, batch_rows);
      accumulator.add(device, batch);
      first += batch.rows;
    }
  };
  pass();  // settles references, makes workspaces
  const Measured seconds = in.h.on_host(in.h.smoke() ? 1 : 5, pass);
  figure.set_rate(seconds, static_cast<double>(samples.bytes()), "host_to_device_" + memory_of(in));
  figure.peak_bytes = peak.bytes();
  const auto d = static_cast<double>(in.dim);
  figure.work.push_back({static_cast<double>(samples.rows()) * d * (d + 1), "ssyrk"});
  in.h.record.add(figure);
}

// The ring alone: no work waits for the rows.
void measure_ring(const Ingest& in, const HostSamples& samples) {
  Figure figure = figure_of(in, "copies_only/");
  cuda::StagingRing ring(in.h.card, cuda::Tuning{}.staging_slots, cuda::Tuning{}.staging_bytes);
  const Measured seconds = in.h.on_host(in.h.smoke() ? 1 : 5, [&] {
    for (size_t first = 0; first < samples.rows();) {
      const Batch batch = samples.batch(first, in.batch_bytes / samples.row_bytes());
      for (size_t next = 0; next < batch.rows;) {
        const cuda::StagedRows staged = ring.load(batch, next, batch.rows, false);
        ring.wait_for(staged, in.h.stream());
        ring.release(staged, in.h.stream());
      }
      ring.finish_copies();
      first += batch.rows;
    }
  });
  figure.set_rate(seconds, static_cast<double>(samples.bytes()), "host_to_device_" + memory_of(in));
  in.h.record.add(figure);
}

}  // namespace

void measure_ingest(Harness& h) {
  const size_t pool = pick<size_t>(h.mode, 1 << 17, size_t{1} << 29, size_t{1} << 30);
  const size_t usual = pick<size_t>(h.mode, 1 << 15, size_t{64} << 20, size_t{64} << 20);
  const size_t small = pick<size_t>(h.mode, 1 << 11, size_t{4} << 20, size_t{4} << 20);
  for (const bool pinned : {true, false}) {
    for (const size_t dim :
         pick<std::vector<size_t>>(h.mode, {16}, {512, 2048}, {512, 1024, 2048, 4096})) {
      for (const DType type : {DType::kFloat32, DType::kBFloat16}) {
        const Ingest in = {h, dim, type, pinned, usual};
        h.attempt(figure_of(in, "").name, [&] {
          const HostSamples samples(h, pool / (dim * dtype_size(type)), dim, h.smoke() ? 10 : 1000,
                                    type, pinned);
          measure(in, samples, "");
          if (dim != 2048 && !h.smoke()) return;
          measure({h, dim, type, pinned, small}, samples, "batches_of_4_mib/");
          measure_ring(in, samples);
        });
      }
    }
  }
}

}  // namespace ncscope::bench
