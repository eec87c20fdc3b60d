// What the sections of the card's benchmarks share: the card, clocks, memory, made-up data.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "kernels/cuda/cuda_device.h"
#include "tests/bench/cuda/record.h"

namespace ncscope::bench {

enum class Mode { kSmoke, kQuick, kFull };

// The first where shapes are tiny, the second in a quick run, the third in a full one.
template <class T>
T pick(Mode mode, T smoke, T quick, T full) {
  return mode == Mode::kSmoke ? smoke : mode == Mode::kQuick ? quick : full;
}

// The largest use of the process' device memory while it lives.
class PeakMemory {
 public:
  explicit PeakMemory(cuda::Card& card);
  ~PeakMemory();
  size_t bytes() const { return peak_; }

 private:
  std::atomic<size_t> peak_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread sampler_;
};

class Harness {
 public:
  Harness(Mode mode, Record& record);

  // Seconds of one of `launches` works that are given to stream(), by events around them all;
  // median of `runs` after one that is not counted. `work` gets numbers that go on counting.
  Measured on_card(int runs, int launches, const std::function<void(int)>& work);
  // Seconds of work and whatever it has started on the card, by the host's clock.
  Measured on_host(int runs, const std::function<void()>& work);

  // One of the things that a section measures; what it throws is recorded as a failure, and the
  // others go on.
  void attempt(const std::string& name, const std::function<void()>& measure);

  bool smoke() const { return mode == Mode::kSmoke; }
  cudaStream_t stream() const { return stream_.get(); }
  cublasHandle_t blas() const { return blas_.get(); }
  DeviceBuffer allocate(size_t bytes) { return card.allocate(bytes); }
  void to_host(void* host, const void* device, size_t bytes);
  void to_card(void* device, const void* host, size_t bytes);

  const Mode mode;
  Record& record;
  cuda::Card& card;

 private:
  cuda::Stream stream_;
  cuda::Cublas blas_;
  DeviceBuffer workspace_;
  cuda::Event start_;
  cuda::Event end_;
};

// How many tiles take turns, so that none is in an L2 cache when it comes round.
inline size_t tiles_for(const Harness& harness, size_t tile_bytes) {
  return harness.smoke() ? 2 : (size_t{512} << 20) / tile_bytes;
}

double now_s();
Measured median_of(std::vector<double> values);

// The sections, in the order in which they run. Each adds its figures to the record.
void measure_ceilings(Harness& harness);
void measure_scatter(Harness& harness);
void measure_shift(Harness& harness);
void measure_ingest(Harness& harness);
void measure_epoch(Harness& harness);
void measure_finalize(Harness& harness);
void measure_pairs(Harness& harness);
void measure_decisions(Harness& harness);

}  // namespace ncscope::bench
