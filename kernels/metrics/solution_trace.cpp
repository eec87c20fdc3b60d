#include "kernels/metrics/solution_trace.h"

#include <algorithm>
#include <vector>

namespace ncscope::metrics {
namespace {

// Columns that are solved for at a time.
constexpr size_t kSolvedColumns = 256;

// Sum of the diagonal of (L L^T)^-1 X, panel(first, width) giving columns of X in device memory.
template <class Panel>
double trace_by_panels(Device& device, ConstMatrix factor, const Panel& panel) {
  double trace = 0;
  std::vector<double> block(kSolvedColumns * kSolvedColumns);
  for (size_t first = 0; first < factor.cols; first += kSolvedColumns) {
    const size_t width = std::min(kSolvedColumns, factor.cols - first);
    const DeviceMatrix columns = panel(first, width);
    device.cholesky_solve(factor, columns);
    device.download(columns.view().slice_rows(first, width), block.data());
    for (size_t i = 0; i < width; ++i) trace += block[i * width + i];
  }
  return trace;
}

}  // namespace

double trace_of_solution(Device& device, ConstMatrix factor, ConstMatrix s) {
  return trace_by_panels(device, factor, [&](size_t first, size_t width) {
    return device.upload({s.data + first, s.rows, width, s.stride});
  });
}

double trace_of_inverse(Device& device, ConstMatrix factor) {
  return trace_by_panels(device, factor, [&](size_t first, size_t width) {
    std::vector<double> host(factor.rows * width);
    for (size_t i = 0; i < width; ++i) host[(first + i) * width + i] = 1;
    return device.upload({host.data(), factor.rows, width});
  });
}

}  // namespace ncscope::metrics
