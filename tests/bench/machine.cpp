#include "tests/bench/machine.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "kernels/cpu/blas.h"
#include "kernels/cpu/blas_library.h"
#include "tests/support/random.h"

namespace ncscope::bench {

void describe_machine() {
  benchmark::AddCustomContext("blas", blas::version());
  benchmark::AddCustomContext("blas_kernels", blas::kernels());
  benchmark::AddCustomContext("blas_threads", std::to_string(blas::take_threads()));
}

double sgemm_rate() {
  constexpr size_t n = 2048;
  test::Random random(1);
  std::vector<float> a(n * n);
  for (float& x : a) x = static_cast<float>(random.uniform());
  std::vector<float> c(n * n);
  double best = 0;
  blas::set_threads(blas::take_threads());
  for (int round = 0; round < 6; ++round) {
    const double start = now_s();
    blas::gemm(false, false, n, n, n, 1.0F, a.data(), n, a.data(), n, 0.0F, c.data(), n);
    best = std::max(best, 2.0 * n * n * n / (now_s() - start));
  }
  blas::set_threads(1);
  return best;
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

double peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) * 1024;
  }
  return 0;
}

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace ncscope::bench
