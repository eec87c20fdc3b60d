#include "tests/bench/cuda/harness.h"

#include <algorithm>
#include <chrono>

namespace ncscope::bench {
namespace {

cuda::Event timed_event() {
  cudaEvent_t event = nullptr;
  NCSCOPE_CUDA_TRY(cudaEventCreate(&event));
  return cuda::Event(event);
}

}  // namespace

PeakMemory::PeakMemory(cuda::Card& card) {
  sampler_ = std::thread([this, &card] {
    while (!stop_) {
      peak_ = std::max(peak_.load(), card.used_bytes());
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
}

PeakMemory::~PeakMemory() {
  stop_ = true;
  sampler_.join();
}

Harness::Harness(Mode mode_of_run, Record& record_of_run)
    : mode(mode_of_run),
      record(record_of_run),
      card(cuda::Card::get()),
      stream_(cuda::make_stream()),
      blas_(cuda::make_cublas()),
      workspace_(card.allocate(size_t{32} << 20)),
      start_(timed_event()),
      end_(timed_event()) {
  NCSCOPE_CUDA_TRY(cublasSetStream(blas_.get(), stream_.get()));
  NCSCOPE_CUDA_TRY(cublasSetWorkspace(blas_.get(), workspace_.data(), workspace_.bytes()));
}

Measured Harness::on_card(int runs, int launches, const std::function<void(int)>& work) {
  std::vector<double> seconds;
  int next = 0;
  for (int run = 0; run <= runs; ++run) {
    NCSCOPE_CUDA_TRY(cudaEventRecord(start_.get(), stream()));
    for (int i = 0; i < launches; ++i) work(next++);
    NCSCOPE_CUDA_TRY(cudaEventRecord(end_.get(), stream()));
    NCSCOPE_CUDA_TRY(cudaEventSynchronize(end_.get()));
    float milliseconds = 0;
    NCSCOPE_CUDA_TRY(cudaEventElapsedTime(&milliseconds, start_.get(), end_.get()));
    // The host card's clock may not move.
    const double least = smoke() ? 1e-9 : 0;
    if (run > 0) seconds.push_back(std::max(least, milliseconds * 1e-3 / launches));
  }
  return median_of(std::move(seconds));
}

Measured Harness::on_host(int runs, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int run = 0; run < runs; ++run) {
    NCSCOPE_CUDA_TRY(cudaDeviceSynchronize());
    const double start = now_s();
    work();
    NCSCOPE_CUDA_TRY(cudaDeviceSynchronize());
    seconds.push_back(now_s() - start);
  }
  return median_of(std::move(seconds));
}

void Harness::attempt(const std::string& name, const std::function<void()>& measure) {
  try {
    measure();
  } catch (const std::exception& error) {
    record.skip(name, error.what(), true);
  }
}

void Harness::to_host(void* host, const void* device, size_t bytes) {
  NCSCOPE_CUDA_TRY(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream()));
  NCSCOPE_CUDA_TRY(cudaStreamSynchronize(stream()));
}

void Harness::to_card(void* device, const void* host, size_t bytes) {
  NCSCOPE_CUDA_TRY(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream()));
  NCSCOPE_CUDA_TRY(cudaStreamSynchronize(stream()));
}

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Measured median_of(std::vector<double> values) {
  std::ranges::sort(values);
  return {values[values.size() / 2], values.front(), values.back(),
          static_cast<int>(values.size())};
}

}  // namespace ncscope::bench
