// What the card can do: the most that any figure of this run can reach.
#include "tests/bench/cuda/harness.h"
#include "tests/bench/cuda/made_up.h"
#include "tests/bench/cuda/products.h"

namespace ncscope::bench {
namespace {

void copies(Harness& h) {
  const size_t bytes = pick<size_t>(h.mode, 1 << 16, size_t{1} << 29, size_t{1} << 30);
  // Two halves that are copied to and fro: far more than a cache holds.
  const DeviceBuffer buffer = h.allocate(2 * bytes);
  auto* const one = buffer.as<std::byte>();
  auto* const other = one + bytes;
  fill(h.stream(), buffer.as<float>(), 2 * bytes / sizeof(float), 1);
  const Measured copy = h.on_card(9, 4, [&](int i) {
    NCSCOPE_CUDA_TRY(cudaMemcpyAsync(i % 2 == 0 ? other : one, i % 2 == 0 ? one : other, bytes,
                                     cudaMemcpyDeviceToDevice, h.stream()));
  });
  h.record.ceiling("device_copy", "byte/s", copy.rate(2.0 * static_cast<double>(bytes)));

  const size_t pinned_bytes = bytes / 4;
  const cuda::PinnedMemory pinned = cuda::allocate_pinned(pinned_bytes);
  h.to_host(pinned.get(), one, pinned_bytes);
  const Measured sent = h.on_card(9, 4, [&](int i) {
    NCSCOPE_CUDA_TRY(cudaMemcpyAsync(i % 2 == 0 ? other : one, pinned.get(), pinned_bytes,
                                     cudaMemcpyHostToDevice, h.stream()));
  });
  h.record.ceiling("host_to_device_pinned", "byte/s", sent.rate(static_cast<double>(pinned_bytes)));

  std::vector<std::byte> pageable(pinned_bytes);
  h.to_host(pageable.data(), one, pinned_bytes);
  const Measured pages = h.on_host(3, [&] {
    NCSCOPE_CUDA_TRY(cudaMemcpy(other, pageable.data(), pinned_bytes, cudaMemcpyHostToDevice));
  });
  h.record.ceiling("host_to_device_pageable", "byte/s",
                   pages.rate(static_cast<double>(pinned_bytes)));
}

template <class T>
void products(Harness& h, const char* gemm, const char* syrk, int64_t n) {
  const auto count = static_cast<size_t>(n * n);
  const auto order = static_cast<double>(n);
  const DeviceBuffer buffer = h.allocate(3 * count * sizeof(T));
  T* const a = buffer.as<T>();
  T* const b = a + count;
  T* const c = b + count;
  fill(h.stream(), a, 2 * count, 2);
  const Measured by_gemm =
      h.on_card(5, 2, [&](int) { multiply(h.blas(), n, n, n, a, n, b, n, T{0}, c, n); });
  h.record.ceiling(gemm, "flop/s", by_gemm.rate(2 * order * order * order));
  const Measured by_syrk =
      h.on_card(5, 2, [&](int i) { rank_update(h.blas(), n, n, i % 2 == 0 ? a : b, T{0}, c); });
  h.record.ceiling(syrk, "flop/s", by_syrk.rate(order * order * (order + 1)));
}

}  // namespace

// Run twice, at the start and at the end: a card that gets warm is slower. Both are in the record.
void measure_ceilings(Harness& h) {
  copies(h);
  products<float>(h, "sgemm", "ssyrk", pick(h.mode, 48, 8192, 8192));
  products<double>(h, "dgemm", "dsyrk", pick(h.mode, 48, 4096, 8192));
}

}  // namespace ncscope::bench
