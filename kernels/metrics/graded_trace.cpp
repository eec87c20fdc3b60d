#include "kernels/metrics/graded_trace.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "kernels/errors.h"
#include "kernels/metrics/between_product.h"
#include "kernels/metrics/solution_trace.h"

namespace ncscope::metrics {
namespace {

constexpr int kMostTurns = 3;

// A share of the trace that may be rounding without another turn.
constexpr double kExactEnough = 0x1p-28;

// Rounding errors of an element, in units of eps and the size of what it is made of.
constexpr double kElementRounding = 4;

void trace_with(Device& device, const GradedGram& gram, GradedTrace& out) {
  out.value = trace_of_inverse(device, gram.matrix);
  out.once = signed_columns(device, std::vector<double>(gram.matrix.rows(), 1.0));
  device.cholesky_solve(gram.matrix, out.once);
  out.twice = copy_of(device, out.once);
  device.cholesky_solve(gram.matrix, out.twice);

  const std::vector<double> squares = device.row_dots(out.once, out.once);
  double loose = 0;
  double tight = 0;
  for (size_t i = 0; i < squares.size(); ++i) {
    loose += gram.loose[i] * gram.loose[i] * squares[i];
    tight += gram.tight[i] * gram.tight[i] * squares[i];
  }
  out.error = kElementRounding * std::numeric_limits<double>::epsilon() *
              (std::sqrt(loose * tight) + tight) / kTraceSigns;
}

}  // namespace

double rounding_of(size_t order) {
  return static_cast<double>(order) * std::numeric_limits<double>::epsilon();
}

double square_of(Device& device, ConstMatrix a) {
  const std::vector<double> squares = device.row_dots(a, a);
  return std::accumulate(squares.begin(), squares.end(), 0.0);
}

DeviceMatrix signed_columns(Device& device, std::span<const double> sizes) {
  std::mt19937_64 random(1);
  std::vector<double> host;
  host.reserve(sizes.size() * kTraceSigns);
  for (const double size : sizes) {
    for (size_t k = 0; k < kTraceSigns; ++k) host.push_back((random() & 1) != 0 ? size : -size);
  }
  return device.upload({host.data(), sizes.size(), kTraceSigns});
}

GradedTrace graded_trace(Device& device, ConstMatrix rows, const GramOf& gram_of) {
  GradedTrace out;
  out.rows = rows;
  out.error = std::numeric_limits<double>::infinity();
  const size_t order = rows.rows;
  std::vector<double> host(order * order);
  for (int turn = 0;; ++turn) {
    const GradedGram gram = gram_of(out.rows);
    device.download(gram.matrix, host.data());
    for (size_t i = 0; i < order; ++i) host[i * order + i] += 1;
    const auto restore = [&] {
      device.copy_to_device(gram.matrix.view().data, host.data(), host.size() * sizeof(double));
    };
    restore();
    const double before = out.error;
    const bool factored = device.cholesky(gram.matrix);
    if (factored) {
      trace_with(device, gram, out);
      const bool exact = out.error <= kExactEnough * out.value;
      if (exact || turn == kMostTurns || !(out.error < before / 4)) return out;
    } else if (turn == kMostTurns) {
      throw NumericalError("I + A S_W^-1 A^T is not positive definite");
    }
    restore();
    device.eigh(gram.matrix);
    DeviceMatrix turned = device.matrix(order, rows.cols);
    device.gemm(false, false, 1, gram.matrix, out.rows, 0, turned);
    out.turned = std::move(turned);
    out.rows = out.turned;
  }
}

}  // namespace ncscope::metrics
