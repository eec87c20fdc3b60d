#include "kernels/metrics/hull_rows.h"

#include <cmath>

#include "kernels/clones.h"

namespace ncscope::metrics {
namespace {

NCSCOPE_CLONES void unit_row(const double* raw, const double* center, double factor, double* out,
                             size_t dim) {
  for (size_t j = 0; j < dim; ++j) out[j] = (raw[j] - center[j]) * factor;
}

NCSCOPE_CLONES void unit_difference(const double* raw, const double* center, double factor,
                                    const double* from, double* out, size_t dim) {
  for (size_t j = 0; j < dim; ++j) out[j] = (raw[j] - center[j]) * factor - from[j];
}

}  // namespace

HullRows::HullRows(Device& device, const CenteredRows& host, ConstMatrix rows)
    : device_(device), host_(host), rows_(rows), inverse_norms_(rows.rows) {
  for (size_t c = 0; c < count(); ++c) {
    double square = 0;
    for (size_t j = 0; j < dim(); ++j) {
      const double x = host.raw.row(c)[j] - host.center[j];
      square += x * x;
    }
    inverse_norms_[c] = std::isnormal(square) ? 1 / std::sqrt(square) : 0;
  }
}

void HullRows::load(size_t c, double* out) const {
  unit_row(host_.raw.row(c), host_.center.data(), inverse_norms_[c], out, dim());
}

void HullRows::load_difference(size_t j, const double* from, double* out) const {
  unit_difference(host_.raw.row(j), host_.center.data(), inverse_norms_[j], from, out, dim());
}

void HullRows::products(ConstMatrix vectors, double* out) const {
  const DeviceMatrix left = device_.upload(vectors);
  const DeviceMatrix product = device_.matrix(vectors.rows, count());
  device_.gemm(false, true, 1, left, rows_, 0, product);
  device_.download(product, out);
  for (size_t r = 0; r < vectors.rows; ++r) {
    double* const row = out + r * count();
    for (size_t j = 0; j < count(); ++j) row[j] *= inverse_norms_[j];
  }
}

}  // namespace ncscope::metrics
