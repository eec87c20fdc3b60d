#include "kernels/metrics/within_correlations.h"

#include <algorithm>
#include <cmath>

namespace ncscope::metrics {
namespace {

// Rows of A whose products are taken at a time.
constexpr size_t kGramRows = 256;

// A standard deviation is no rounding from so many times the rounding of the means on.
constexpr double kNoRounding = 0x1p10;

// What is put in place of no variance: a standard deviation so many times smaller than the spread
// of the means, and so many times larger than their rounding.
constexpr double kOnlyMeans = 0x1p33;
constexpr double kAboveNoise = 0x1p20;

// Rows of A some at a time, as the columns of R^-1 A^T.
class ScaledColumns {
 public:
  ScaledColumns(Device& device, std::span<const double> scales, ConstMatrix rows)
      : device_(device),
        scales_(scales),
        rows_(rows),
        host_(rows.cols * std::min(kGramRows, rows.rows)) {
    const size_t order = std::min(kGramRows, rows.rows);
    std::vector<double> one(order * order);
    for (size_t i = 0; i < order; ++i) one[i * order + i] = 1;
    one_ = device.upload({one.data(), order, order});
  }

  DeviceMatrix columns(size_t first, size_t count) {
    DeviceMatrix out = device_.matrix(rows_.cols, count);
    device_.gemm(true, false, 1, rows_.slice_rows(first, count),
                 {one_.view().data, count, count, one_.cols()}, 0, out);
    device_.scale_rows(out, scales_);
    return out;
  }

  // Norms of the columns of a [., count] matrix, contiguous in device memory.
  void norms(const DeviceMatrix& columns, double* out) {
    host_.resize(columns.rows() * columns.cols());
    device_.download(columns, host_.data());
    std::fill_n(out, columns.cols(), 0.0);
    for (size_t i = 0; i < host_.size(); ++i) out[i % columns.cols()] += host_[i] * host_[i];
    for (size_t i = 0; i < columns.cols(); ++i) out[i] = std::sqrt(out[i]);
  }

 private:
  Device& device_;
  std::span<const double> scales_;
  ConstMatrix rows_;
  DeviceMatrix one_;
  std::vector<double> host_;
};

}  // namespace

WithinCorrelations within_correlations(const Statistics& statistics, std::span<const double> spread,
                                       std::span<const double> noise, double least) {
  const size_t dim = statistics.dim;
  WithinCorrelations out;
  std::vector<bool> varies(dim);
  for (size_t j = 0; j < dim; ++j) {
    const double variance = statistics.scatter[j * dim + j];
    varies[j] = variance > kNoRounding * kNoRounding * noise[j] * noise[j];
    if (varies[j]) {
      ++out.varying;
      out.scales.push_back(1 / std::sqrt(variance));
    } else if (spread[j] > std::max(least, noise[j] * noise[j])) {
      out.scales.push_back(
          std::min(kOnlyMeans / std::sqrt(spread[j]), 1 / (kAboveNoise * noise[j])));
    } else {
      out.scales.push_back(0);
    }
  }
  out.matrix = statistics.scatter;
  for (size_t i = 0; i < dim; ++i) {
    for (size_t j = 0; j < dim; ++j) {
      double& element = out.matrix[i * dim + j];
      element = varies[i] && varies[j] ? element * out.scales[i] * out.scales[j] : 0;
    }
    out.matrix[i * dim + i] = 1;
  }
  return out;
}

GradedGram gram_by_factor(Device& device, ConstMatrix factor, std::span<const double> scales,
                          ConstMatrix rows) {
  const size_t order = rows.rows;
  GradedGram out;
  out.matrix = device.matrix(order, order);
  out.loose.resize(order);
  out.tight.resize(order);
  ScaledColumns scaled(device, scales, rows);
  for (size_t first = 0; first < order; first += kGramRows) {
    const size_t count = std::min(kGramRows, order - first);
    const DeviceMatrix columns = scaled.columns(first, count);
    scaled.norms(columns, out.loose.data() + first);
    device.cholesky_solve(factor, columns);
    scaled.norms(columns, out.tight.data() + first);
    device.scale_rows(columns, scales);
    device.gemm(false, false, 1, rows, columns, 0,
                {out.matrix.view().data + first, order, count, order});
  }
  return out;
}

GradedGram gram_by_root(Device& device, ConstMatrix root, double longest,
                        std::span<const double> scales, ConstMatrix rows) {
  const size_t order = rows.rows;
  GradedGram out;
  out.loose.resize(order);
  const DeviceMatrix whitened = device.matrix(root.rows, order);
  ScaledColumns scaled(device, scales, rows);
  for (size_t first = 0; first < order; first += kGramRows) {
    const size_t count = std::min(kGramRows, order - first);
    const DeviceMatrix columns = scaled.columns(first, count);
    scaled.norms(columns, out.loose.data() + first);
    device.gemm(false, false, 1, root, columns, 0,
                {whitened.view().data + first, root.rows, count, order});
  }
  for (double& size : out.loose) size *= longest;
  out.matrix = device.matrix(order, order);
  device.syrk(true, 1, whitened, 0, out.matrix);
  out.tight.resize(order);
  device.download({out.matrix.view().data, order, 1, order + 1}, out.tight.data());
  for (double& square : out.tight) square = std::sqrt(1 + square);
  return out;
}

}  // namespace ncscope::metrics
