#include "tests/support/oracle_margin.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/support/oracle_vectors.h"

namespace ncscope::test {
namespace {

using oracle::dot, oracle::mean_row, oracle::minus, oracle::norm;
using oracle::Real, oracle::Rows, oracle::Vector;

struct Bounds {
  Real upper = std::numeric_limits<Real>::infinity();
  Real lower = std::numeric_limits<Real>::infinity();
};

// Of the distance of row c to the hull of the others, from the inner products of all rows.
Bounds distance_of(const Rows& products, size_t c) {
  const size_t m = products.size();
  Vector weights(m, 0);
  const size_t start = c == 0 ? 1 : 0;
  weights[start] = 1;
  Vector along = minus(products[c], products[start]);  // <g, u_j>, g = u_c - sum of weights u_j
  Bounds out;
  for (size_t step = 0; step < 1'000'000; ++step) {
    size_t most = m, least = m;
    Real square = along[c];
    for (size_t j = 0; j < m; ++j) {
      if (j == c) continue;
      square -= weights[j] * along[j];
      if (most == m || along[j] > along[most]) most = j;
      if (weights[j] > 0 && (least == m || along[j] < along[least])) least = j;
    }
    if (square <= 0) return {0, 0};
    out.upper = std::sqrt(square);
    out.lower = (along[c] - along[most]) / out.upper;
    if (out.upper - out.lower < 1e-16L || most == least) break;
    const Real edge = products[most][most] + products[least][least] - 2 * products[most][least];
    const Real length = std::min(weights[least], (along[most] - along[least]) / edge);
    if (!(length > 0)) break;
    weights[most] += length;
    weights[least] = length == weights[least] ? 0 : weights[least] - length;
    for (size_t j = 0; j < m; ++j) along[j] -= length * (products[most][j] - products[least][j]);
  }
  return out;
}

OracleMargin margin_of(Rows rows) {
  for (Vector& row : rows) {
    const Real length = norm(row);
    for (Real& x : row) x /= length;
  }
  Rows products(rows.size());
  for (size_t a = 0; a < rows.size(); ++a) {
    for (const Vector& row : rows) products[a].push_back(dot(rows[a], row));
  }
  Bounds least;
  OracleMargin out;
  for (size_t c = 0; c < rows.size(); ++c) {
    const Bounds bounds = distance_of(products, c);
    if (bounds.upper < least.upper) {
      least.upper = bounds.upper;
      out.row = c;
    }
    least.lower = std::min(least.lower, bounds.lower);
  }
  out.value = static_cast<double>(least.upper);
  out.gap = static_cast<double>(least.upper - least.lower);
  return out;
}

Rows rows_of_values(const std::vector<double>& values, size_t dim) {
  Rows out;
  for (size_t first = 0; first < values.size(); first += dim) {
    out.emplace_back(&values[first], &values[first] + dim);
  }
  return out;
}

}  // namespace

OracleMargin oracle_margin(const std::vector<double>& rows, size_t dim) {
  return margin_of(rows_of_values(rows, dim));
}

OracleMargin oracle_margin_centered(const std::vector<double>& rows, size_t dim) {
  Rows out = rows_of_values(rows, dim);
  const Vector center = mean_row(out, Vector(out.size(), 1 / static_cast<Real>(out.size())));
  for (Vector& row : out) row = minus(row, center);
  return margin_of(std::move(out));
}

}  // namespace ncscope::test
