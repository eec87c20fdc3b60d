// A card in its first state, and memory on it.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/simt/simt.h"

namespace ncscope::simt {

template <class T>
using DeviceArray = std::unique_ptr<T, void (*)(T*)>;

template <class T>
DeviceArray<T> device_array(size_t n) {
  T* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, n * sizeof(T)), cudaSuccess);
  return {data, [](T* p) { cudaFree(p); }};
}

template <class T>
DeviceArray<T> pinned_array(size_t n) {
  T* data = nullptr;
  EXPECT_EQ(cudaHostAlloc(&data, n * sizeof(T), cudaHostAllocDefault), cudaSuccess);
  return {data, [](T* p) { cudaFreeHost(p); }};
}

template <class T>
DeviceArray<T> upload(const std::vector<T>& values) {
  DeviceArray<T> data = device_array<T>(values.size());
  EXPECT_EQ(
      cudaMemcpy(data.get(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
      cudaSuccess);
  return data;
}

template <class T>
std::vector<T> download(const T* data, size_t n) {
  std::vector<T> values(n);
  EXPECT_EQ(cudaMemcpy(values.data(), data, n * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
  return values;
}

class CardTest : public testing::Test {
 protected:
  void SetUp() override { first_state(); }
  void TearDown() override {
    EXPECT_EQ(allocations().count, 0u);
    first_state();
  }
  static void first_state() {
    reset();
    clear_findings();
    set_order(Order::kRandom, 1);
    set_copies(Copies::kStaged);
    set_devices(1);
    set_memory(size_t{64} << 20);
  }
};

class Stream {
 public:
  Stream() { EXPECT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace ncscope::simt
