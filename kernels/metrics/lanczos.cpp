#include "kernels/metrics/lanczos.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/errors.h"

namespace ncscope::metrics {
namespace {

constexpr size_t kMaxSteps = 300;
constexpr size_t kStepsPerCheck = 5;
constexpr double kTolerance = 1e-13;
constexpr double kResidualTolerance = 1e-10;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

using Vector = std::vector<double>;

// In eight partial sums, which need not wait for each other.
double dot(const Vector& a, const Vector& b) {
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= a.size(); i += 8) {
    for (size_t k = 0; k < 8; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

void add_scaled(Vector& to, double factor, const Vector& from) {
  for (size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
}

// Entries that no structure of a matrix is likely to be orthogonal to (splitmix64 bits).
Vector start_vector(size_t n) {
  Vector v(n);
  uint64_t state = 0;
  for (double& x : v) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    x = static_cast<double>(z >> 11) * 0x1p-52 - 1.0;
  }
  const double scale = 1 / std::sqrt(dot(v, v));
  for (double& x : v) x *= scale;
  return v;
}

struct RitzValue {
  double value;
  double last;  // last component of its unit eigenvector
};

// Eigenvalues, descending, of the symmetric tridiagonal matrix with this diagonal and these
// off-diagonals, by implicit QL; of the eigenvectors only the last row is carried along.
std::vector<RitzValue> ritz_values(Vector diagonal, Vector off) {
  const size_t m = diagonal.size();
  off.resize(m, 0.0);
  Vector last(m, 0.0);
  last[m - 1] = 1;
  for (size_t l = 0; l < m; ++l) {
    for (int iteration = 0;; ++iteration) {
      size_t end = l;
      while (end + 1 < m && std::abs(off[end]) >
                                kEpsilon * (std::abs(diagonal[end]) + std::abs(diagonal[end + 1])))
        ++end;
      if (end == l) break;
      if (iteration == 60) throw NumericalError("lanczos: the QL iteration does not converge");
      double g = (diagonal[l + 1] - diagonal[l]) / (2 * off[l]);
      double r = std::hypot(g, 1.0);
      g = diagonal[end] - diagonal[l] + off[l] / (g + std::copysign(r, g));
      double sine = 1, cosine = 1, shift = 0;
      bool split = false;
      for (size_t i = end; i-- > l;) {
        const double f = sine * off[i];
        const double b = cosine * off[i];
        r = std::hypot(f, g);
        off[i + 1] = r;
        if (r == 0) {
          diagonal[i + 1] -= shift;
          off[end] = 0;
          split = true;
          break;
        }
        sine = f / r;
        cosine = g / r;
        g = diagonal[i + 1] - shift;
        r = (diagonal[i] - g) * sine + 2 * cosine * b;
        shift = sine * r;
        diagonal[i + 1] = g + shift;
        g = cosine * r - b;
        const double z = last[i + 1];
        last[i + 1] = sine * last[i] + cosine * z;
        last[i] = cosine * last[i] - sine * z;
      }
      if (split) continue;
      diagonal[l] -= shift;
      off[l] = g;
      off[end] = 0;
    }
  }
  std::vector<RitzValue> values(m);
  for (size_t i = 0; i < m; ++i) values[i] = {diagonal[i], last[i]};
  std::sort(values.begin(), values.end(),
            [](const RitzValue& a, const RitzValue& b) { return a.value > b.value; });
  return values;
}

// Whether the largest Ritz value is an eigenvalue. Its error is residual^2 over the gap to the next
// one; but two eigenvalues that are nearly equal look like one in between until the residual is
// small against their distance.
bool has_converged(const std::vector<RitzValue>& ritz, double next_off) {
  const double residual = std::abs(next_off * ritz[0].last);
  const double size = std::abs(ritz[0].value);
  if (residual <= kTolerance * size) return true;
  if (residual > kResidualTolerance * size || ritz.size() < 2) return false;
  const double gap = ritz[0].value - ritz[1].value - std::abs(next_off * ritz[1].last);
  return gap > residual && residual * (residual / gap) <= kTolerance * size;
}

}  // namespace

std::optional<double> largest_eigenvalue(size_t n, const ApplyMatrix& apply) {
  const size_t steps = std::min(n, kMaxSteps);
  std::vector<Vector> basis{start_vector(n)};
  Vector diagonal, off;
  for (size_t k = 0; k < steps; ++k) {
    Vector next = basis[k];
    apply(next);
    diagonal.push_back(dot(basis[k], next));
    for (int pass = 0; pass < 2; ++pass) {
      for (const Vector& v : basis) add_scaled(next, -dot(v, next), v);
    }
    const double next_off = std::sqrt(dot(next, next));
    if (!std::isfinite(diagonal[k]) || !std::isfinite(next_off)) return std::nullopt;
    // An invariant subspace has been reached: its Ritz values are eigenvalues.
    const bool closed = k + 1 == n || next_off <= kTolerance * std::abs(diagonal[0]);
    if (closed || k + 1 == steps || (k + 1) % kStepsPerCheck == 0) {
      const std::vector<RitzValue> ritz = ritz_values(diagonal, off);
      if (closed || has_converged(ritz, next_off)) return ritz[0].value;
    }
    off.push_back(next_off);
    for (double& x : next) x /= next_off;
    basis.push_back(std::move(next));
  }
  return std::nullopt;
}

}  // namespace ncscope::metrics
