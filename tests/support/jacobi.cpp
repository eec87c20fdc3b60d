#include "tests/support/jacobi.h"

#include <cmath>
#include <limits>

namespace ncscope::oracle {

Eigen jacobi(std::vector<Real> matrix, size_t n) {
  Eigen out;
  out.vectors.assign(n * n, 0);
  for (size_t i = 0; i < n; ++i) out.vectors[i * n + i] = 1;
  Real total = 0;
  for (const Real x : matrix) total += x * x;
  const Real negligible = std::sqrt(total) * std::numeric_limits<Real>::epsilon() / 64;
  bool rotated = true;
  for (int sweep = 0; sweep < 60 && rotated; ++sweep) {
    rotated = false;
    for (size_t p = 0; p < n; ++p) {
      for (size_t q = p + 1; q < n; ++q) {
        const Real off = matrix[p * n + q];
        if (std::abs(off) <= negligible) continue;
        rotated = true;
        const Real theta = (matrix[q * n + q] - matrix[p * n + p]) / (2 * off);
        const Real t = std::copysign(1 / (std::abs(theta) + std::hypot(theta, Real{1})), theta);
        const Real c = 1 / std::hypot(t, Real{1});
        const Real s = t * c;
        for (size_t k = 0; k < n; ++k) {
          const Real a = matrix[k * n + p], b = matrix[k * n + q];
          matrix[k * n + p] = c * a - s * b;
          matrix[k * n + q] = s * a + c * b;
        }
        for (size_t k = 0; k < n; ++k) {
          const Real a = matrix[p * n + k], b = matrix[q * n + k];
          matrix[p * n + k] = c * a - s * b;
          matrix[q * n + k] = s * a + c * b;
          const Real u = out.vectors[p * n + k], v = out.vectors[q * n + k];
          out.vectors[p * n + k] = c * u - s * v;
          out.vectors[q * n + k] = s * u + c * v;
        }
      }
    }
  }
  for (size_t i = 0; i < n; ++i) out.values.push_back(matrix[i * n + i]);
  return out;
}

}  // namespace ncscope::oracle
