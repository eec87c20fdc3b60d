// Random numbers that are the same on every machine and standard library.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace ncscope::test {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  uint64_t bits() { return engine_(); }

  // In [0, 1).
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

  size_t below(size_t n) { return static_cast<size_t>(engine_() % n); }

  // Standard normal, by Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * 3.14159265358979323846 * uniform());
  }

  std::vector<double> normals(size_t n) {
    std::vector<double> out(n);
    for (double& x : out) x = normal();
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace ncscope::test
