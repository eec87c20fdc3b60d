#include "kernels/metrics/between_product.h"

#include <algorithm>

namespace ncscope::metrics {
namespace {

// Rows that are weighted at a time where S_B is summed up from them.
constexpr size_t kWeightedRows = 4096;

// Elements that a copy moves through host memory at a time.
constexpr size_t kCopied = size_t{1} << 17;

}  // namespace

DeviceMatrix copy_of(Device& device, ConstMatrix matrix) {
  DeviceMatrix out = device.matrix(matrix.rows, matrix.cols);
  const size_t step = std::max<size_t>(1, kCopied / matrix.cols);
  std::vector<double> host(std::min(step, matrix.rows) * matrix.cols);
  for (size_t first = 0; first < matrix.rows; first += step) {
    const size_t count = std::min(step, matrix.rows - first);
    device.download(matrix.slice_rows(first, count), host.data());
    device.copy_to_device(out.view().row(first), host.data(), count * matrix.cols * sizeof(double));
  }
  return out;
}

DeviceMatrix weighted_rows(Device& device, ConstMatrix means, std::span<const double> roots) {
  DeviceMatrix out = copy_of(device, means);
  device.scale_rows(out, roots);
  return out;
}

void add_between_scatter(Device& device, ConstMatrix means, std::span<const double> roots,
                         double beta, Matrix out) {
  if (std::ranges::all_of(roots, [&](double root) { return root == roots[0]; })) {
    device.syrk(true, roots[0] * roots[0], means, beta, out);
    return;
  }
  for (size_t first = 0; first < means.rows; first += kWeightedRows) {
    const size_t count = std::min(kWeightedRows, means.rows - first);
    const DeviceMatrix rows =
        weighted_rows(device, means.slice_rows(first, count), roots.subspan(first, count));
    device.syrk(true, 1, rows, first == 0 ? beta : 1, out);
  }
}

}  // namespace ncscope::metrics
