// Vectors and matrices of an oracle, as plain loops over long double.
#pragma once

#include <cmath>
#include <vector>

#include "tests/support/jacobi.h"

namespace ncscope::oracle {

using Vector = std::vector<Real>;
using Rows = std::vector<Vector>;

inline Real dot(const Vector& a, const Vector& b) {
  Real sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline Real norm(const Vector& v) { return std::sqrt(dot(v, v)); }

inline Vector minus(const Vector& a, const Vector& b) {
  Vector out(a.size());
  for (size_t i = 0; i < a.size(); ++i) out[i] = a[i] - b[i];
  return out;
}

inline Real mean(const Vector& v) {
  Real sum = 0;
  for (const Real x : v) sum += x;
  return sum / static_cast<Real>(v.size());
}

inline Real variance(const Vector& v) {
  const Real center = mean(v);
  Real sum = 0;
  for (const Real x : v) sum += (x - center) * (x - center);
  return sum / static_cast<Real>(v.size());
}

inline Vector norms(const Rows& rows) {
  Vector out;
  for (const Vector& row : rows) out.push_back(norm(row));
  return out;
}

inline Real frobenius(const Rows& rows) {
  Real sum = 0;
  for (const Vector& row : rows) sum += dot(row, row);
  return std::sqrt(sum);
}

inline Vector mean_row(const Rows& rows, const Vector& weights) {
  Vector out(rows[0].size(), 0);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t j = 0; j < out.size(); ++j) out[j] += weights[r] * rows[r][j];
  }
  return out;
}

// || A/||A||_F - E ||_F of A = X Y^T.
inline Real etf_error(const Rows& x, const Rows& y) {
  const size_t m = x.size();
  Rows a(m, Vector(m));
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < m; ++j) a[i][j] = dot(x[i], y[j]);
  }
  const Real size = frobenius(a);
  Real sum = 0;
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < m; ++j) {
      const Real e = ((i == j) - 1 / static_cast<Real>(m)) / std::sqrt(static_cast<Real>(m - 1));
      sum += (a[i][j] / size - e) * (a[i][j] / size - e);
    }
  }
  return std::sqrt(sum);
}

}  // namespace ncscope::oracle
