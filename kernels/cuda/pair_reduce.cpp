// CudaDevice: all pair metrics in one sweep of the upper triangle, and the residual of a product
// against an ideal one: panels from cuBLAS, reduced where they are.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/pair_sweep.h"
#include "kernels/cuda/workspace.h"

namespace ncscope::cuda {

class CudaDevice::PairSweep {
 public:
  PairSweep(CudaDevice& device, const PairInput& input)
      : device_(device),
        input_(input),
        p_(input.rows.rows),
        panel_rows_(std::min(device.tuning_.pair_rows, p_)),
        panel_cols_(std::min(device.tuning_.pair_cols, p_)),
        ideal_gram_(-input.etf_scale /
                    (static_cast<double>(p_) * std::sqrt(static_cast<double>(p_ - 1)))) {
    lay_out();
  }

  PairSums run() {
    send_classes();
    start_pairs(device_.stream_.get(), classes_.classes, results_);
    for (size_t r0 = 0; r0 < p_; r0 += panel_rows_) {
      for (size_t c0 = r0; c0 < p_; c0 += panel_cols_) {
        sweep_panel(device_.stream_.get(), classes_, panel_at(r0, c0), results_);
      }
    }
    return finish();
  }

 private:
  // Where everything lies in the workspace.
  void lay_out() {
    const size_t blocks = pair_row_blocks(panel_rows_) * pair_col_blocks(panel_cols_);
    const bool given = input_.products.data != nullptr;
    Workspace room(device_.memory_, device_.pair_workspace_);
    room.lay_out([&] {
      panel_ = room.take<double>(given ? 0 : panel_rows_ * panel_cols_);
      squared_norms_ = room.take<double>(p_);
      inverse_norms_ = room.take<double>(p_);
      variances_ = room.take<double>(input_.within_variances.size());
      resolution_ = room.take<double>(input_.resolution.size());
      directions_ = room.take<double>(p_);
      results_.total = room.take<PairPart>(1);
      results_.nearest_square = room.take<double>(p_);
      results_.nearest = room.take<int>(p_);
      results_.parts = room.take<PairPart>(blocks);
      results_.row_square = room.take<double>(pair_col_blocks(panel_cols_) * panel_rows_);
      results_.row_nearest = room.take<int>(pair_col_blocks(panel_cols_) * panel_rows_);
      results_.col_square = room.take<double>(pair_row_blocks(panel_rows_) * panel_cols_);
      results_.col_nearest = room.take<int>(pair_row_blocks(panel_rows_) * panel_cols_);
    });
  }

  void send_classes() {
    std::vector<double> inverse_norms(p_);
    for (size_t c = 0; c < p_; ++c) {
      const double norm = std::sqrt(input_.squared_norms[c]);
      inverse_norms[c] = norm > 0 ? 1 / norm : 0;
    }
    send(squared_norms_, input_.squared_norms);
    send(inverse_norms_, inverse_norms);
    send(variances_, input_.within_variances);
    send(resolution_, input_.resolution);
    send(directions_, direction_resolution(input_, inverse_norms));
    classes_.rows = input_.rows.data;
    classes_.stride = input_.rows.stride;
    classes_.dim = input_.rows.cols;
    classes_.classes = static_cast<int>(p_);
    classes_.squared_norms = squared_norms_;
    classes_.inverse_norms = inverse_norms_;
    classes_.variances = input_.within_variances.empty() ? nullptr : variances_;
    classes_.resolution = input_.resolution.empty() ? nullptr : resolution_;
    classes_.directions = directions_;
    classes_.riesz = riesz_power(p_, input_.rows.cols);
    classes_.ideal = 1.0 / static_cast<double>(p_ - 1);
    classes_.ideal_gram = ideal_gram_;
  }

  void send(double* device, std::span<const double> host) {
    if (!host.empty()) device_.do_copy_to_device(device, host.data(), host.size_bytes());
  }

  PairPanel panel_at(size_t r0, size_t c0) {
    const size_t rows = std::min(panel_rows_, p_ - r0);
    const size_t cols = std::min(panel_cols_, p_ - c0);
    const ConstMatrix& given = input_.products;
    PairPanel panel = {panel_,
                       cols,
                       static_cast<int>(r0),
                       static_cast<int>(rows),
                       static_cast<int>(c0),
                       static_cast<int>(cols)};
    if (given.data != nullptr) {
      panel.products = given.row(r0) + c0;
      panel.stride = given.stride;
    } else {
      device_.products(input_.rows.slice_rows(r0, rows), input_.rows.slice_rows(c0, cols), panel_);
    }
    return panel;
  }

  static std::optional<PairExtreme> extreme(const PairValue& pair) {
    if (pair.first < 0) return std::nullopt;
    return PairExtreme{static_cast<size_t>(pair.first), static_cast<size_t>(pair.second),
                       pair.value};
  }

  PairSums finish() {
    PairPart total = {};
    std::vector<int> nearest(p_);
    PairSums out;
    out.nearest_distance.resize(p_);
    device_.do_copy_to_host(&total, results_.total, sizeof(total));
    device_.do_copy_to_host(nearest.data(), results_.nearest, p_ * sizeof(int));
    device_.do_copy_to_host(out.nearest_distance.data(), results_.nearest_square,
                            p_ * sizeof(double));
    for (double& distance : out.nearest_distance) distance = std::sqrt(distance);
    out.nearest.assign(nearest.begin(), nearest.end());
    out.pairs = total.pairs;
    out.cosine = {total.directed, total.cosine.mean, total.cosine.m2};
    out.unit_distance = {total.directed, total.distance.mean, total.distance.m2};
    out.unit_log = {total.apart, total.log.mean, total.log.m2};
    out.unit_riesz = {total.apart, total.riesz.mean, total.riesz.m2};
    out.max_angle_sum = total.max_angle_sum;
    out.cdnv_sum = total.cdnv_sum;
    out.cdnv_fourth_sum = total.cdnv_fourth_sum;
    out.coherence = extreme(total.coherence);
    if (out.coherence) out.coherence->value = std::clamp(out.coherence->value, -1.0, 1.0);
    out.cdnv_worst = extreme(total.cdnv_worst);
    out.equal = extreme(total.equal);
    out.aligned = extreme(total.aligned);
    // E_cc = E_cc' + 1/sqrt(P-1).
    const double ideal_diagonal =
        ideal_gram_ + input_.etf_scale / std::sqrt(static_cast<double>(p_ - 1));
    out.gram_residual = 2 * total.off_diagonal;
    for (const double norm : input_.squared_norms) {
      out.gram_residual += (norm - ideal_diagonal) * (norm - ideal_diagonal);
    }
    return out;
  }

  CudaDevice& device_;
  const PairInput& input_;
  size_t p_;
  size_t panel_rows_;
  size_t panel_cols_;
  double ideal_gram_;  // alpha E_cc' for c != c'
  PairClasses classes_ = {};
  PairResults results_ = {};
  double* panel_ = nullptr;
  double* squared_norms_ = nullptr;
  double* inverse_norms_ = nullptr;
  double* variances_ = nullptr;
  double* resolution_ = nullptr;
  double* directions_ = nullptr;
};

PairSums CudaDevice::do_pair_reduce(const PairInput& input) {
  return PairSweep(*this, input).run();
}

double CudaDevice::do_gram_residual(ConstMatrix a, ConstMatrix b, double alpha) {
  const size_t p = a.rows;
  const size_t panel_rows = std::min(tuning_.pair_rows, p);
  const size_t panel_cols = std::min(tuning_.pair_cols, p);
  double* panel = nullptr;
  double* parts = nullptr;
  double* total = nullptr;
  Workspace room(memory_, pair_workspace_);
  room.lay_out([&] {
    panel = room.take<double>(panel_rows * panel_cols);
    parts = room.take<double>(pair_row_blocks(panel_rows) * pair_col_blocks(panel_cols));
    total = room.take<double>(1);
  });
  const double root = std::sqrt(static_cast<double>(p - 1));
  const double off_diagonal = -alpha / (static_cast<double>(p) * root);
  NCSCOPE_CUDA_TRY(cudaMemsetAsync(total, 0, sizeof(double), stream_.get()));
  for (size_t r0 = 0; r0 < p; r0 += panel_rows) {
    for (size_t c0 = 0; c0 < p; c0 += panel_cols) {
      const size_t rows = std::min(panel_rows, p - r0);
      const size_t cols = std::min(panel_cols, p - c0);
      products(a.slice_rows(r0, rows), b.slice_rows(c0, cols), panel);
      add_residual(stream_.get(),
                   {panel, cols, static_cast<int>(r0), static_cast<int>(rows), static_cast<int>(c0),
                    static_cast<int>(cols)},
                   off_diagonal, off_diagonal + alpha / root, parts, total);
    }
  }
  double out = 0;
  do_copy_to_host(&out, total, sizeof(out));
  return out;
}

}  // namespace ncscope::cuda
