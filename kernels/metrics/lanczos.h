// The largest eigenvalue of a large symmetric matrix from products with it alone.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>

namespace ncscope::metrics {

// Replaces v [n] (host) by A v.
using ApplyMatrix = std::function<void(std::span<double> v)>;

// Largest eigenvalue of a symmetric positive semi-definite A [n, n], to about 1e-13 relative plus
// the error of `apply` itself; nothing where some hundred steps do not reach that, or where A
// overflows. Lanczos with full reorthogonalisation (Golub and Van Loan, Matrix Computations, 10.3)
// from a fixed start vector, so the same matrix gives the same bits.
std::optional<double> largest_eigenvalue(size_t n, const ApplyMatrix& apply);

}  // namespace ncscope::metrics
