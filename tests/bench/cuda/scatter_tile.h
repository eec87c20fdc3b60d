// A tile of made-up shifted rows, and the clock and the check of a way to take its products.
#pragma once

#include <cmath>

#include "kernels/cuda/add_scatter.h"
#include "tests/bench/cuda/harness.h"
#include "tests/bench/cuda/made_up.h"
#include "tests/bench/cuda/products.h"

namespace ncscope::bench {

class Scatter {
 public:
  Scatter(Harness& harness, size_t dim, size_t rows)
      : h_(harness),
        dim_(dim),
        rows_(rows),
        d_(static_cast<int64_t>(dim)),
        k_(static_cast<int64_t>(rows)),
        tiles_(tiles_for(h_, dim * rows * sizeof(float))),
        name_("scatter/d" + std::to_string(dim) + "/"),
        input_(h_.allocate(tiles_ * dim * rows * sizeof(float))),
        wide_(h_.allocate(dim * rows * sizeof(double))),
        pieces_(h_.allocate(3 * dim * rows * sizeof(float))),
        partial_(h_.allocate(dim * dim * sizeof(float))),
        scatter_(h_.allocate(dim * dim * sizeof(double))),
        largest_(h_.allocate(sizeof(unsigned))) {
    fill(h_.stream(), input_.as<float>(), tiles_ * dim * rows, 3);
    const float largest = 2;
    h_.to_card(largest_.data(), &largest, sizeof(largest));
    wide(tile(0));
    rank_update(h_.blas(), d_, k_, wide_.as<double>(), 0.0, scatter_.as<double>());
    reference_.resize(dim * dim);
    h_.to_host(reference_.data(), scatter_.data(), dim * dim * sizeof(double));
  }

  // `product` leaves the lower triangle of a tile's products in partial(), column-major.
  // `error_at_most` is what a right result cannot exceed, not what is wanted of it. A way that
  // throws has failed, or is not here where it `may_be_absent`.
  void measure(const std::string& way, double error_at_most,
               const std::function<void(const float*)>& product, bool may_be_absent = false) {
    try {
      product(tile(0));
      Figure figure = figure_of(way, error_at_most);
      std::vector<float> out(reference_.size());
      h_.to_host(out.data(), partial_.data(), out.size() * sizeof(float));
      figure.error = error(out);
      const auto work = [&](int i) {
        const float* const rows = tile(i);
        product(rows);
        cuda::add_scatter(h_.stream(), largest_.as<unsigned>(), partial(), dim_,
                          scatter_.as<double>());
      };
      figure.set_rate(h_.on_card(7, runs(), work), flops(), "sgemm");
      h_.record.add(figure);
    } catch (const std::exception& error) {
      h_.record.skip(name_ + way, error.what(), !may_be_absent);
    }
  }

  // Products in float64, straight into the scatter.
  template <class Product>
  void measure_wide(const std::string& way, const Product& product) {
    wide(tile(0));
    product(wide_.as<double>());
    Figure figure = figure_of(way, 1e-12);
    std::vector<double> out(reference_.size());
    h_.to_host(out.data(), scatter_.data(), out.size() * sizeof(double));
    figure.error = error(out);
    figure.set_rate(h_.on_card(7, runs(), [&](int) { product(wide_.as<double>()); }), flops(),
                    "sgemm");
    figure.note = "the tile is float64 already, as with --math fp64";
    h_.record.add(figure);
  }

  // The same for the kernels around the product.
  void measure_add() {
    Figure figure = {.name = name_ + "add_scatter_alone", .unit = "byte/s", .value = {}};
    // A triangle: float32 read, float64 read and written.
    const double bytes = 0.5 * static_cast<double>(dim_ * (dim_ + 1)) * 20;
    const Measured seconds = h_.on_card(7, runs(), [&](int) {
      cuda::add_scatter(h_.stream(), largest_.as<unsigned>(), partial(), dim_,
                        scatter_.as<double>());
    });
    figure.set_rate(seconds, bytes, "device_copy");
    figure.note = "its matrices may lie in the L2 cache, as they do in a pass";
    h_.record.add(figure);
  }

  const float* tile(int i) const {
    return input_.as<float>() + static_cast<size_t>(i) % tiles_ * dim_ * rows_;
  }
  void scale(const float* rows) {
    cuda::scale_tile(h_.stream(), largest_.as<unsigned>(), const_cast<float*>(rows), rows_ * dim_);
  }
  void wide(const float* rows) { widen(h_.stream(), rows, wide_.as<double>(), rows_ * dim_); }
  float* partial() const { return partial_.as<float>(); }
  double* scatter() const { return scatter_.as<double>(); }
  // i-th piece of a split tile; `T` is float or Half.
  template <class T>
  T* piece(size_t i) const {
    return pieces_.as<T>() + i * rows_ * dim_;
  }
  size_t count() const { return rows_ * dim_; }
  int64_t d() const { return d_; }
  int64_t k() const { return k_; }
  Harness& harness() const { return h_; }

 private:
  double flops() const {
    const auto d = static_cast<double>(dim_);
    return static_cast<double>(rows_) * d * (d + 1);
  }
  int runs() const { return pick(h_.mode, 1, 16, 32); }

  Figure figure_of(const std::string& way, double error_at_most) const {
    Figure figure = {.name = name_ + way, .unit = "flop/s", .value = {}};
    figure.error_at_most = error_at_most;
    return figure;
  }

  // Relative, in the Frobenius norm of the triangle.
  template <class T>
  double error(const std::vector<T>& out) const {
    double difference = 0, size = 0;
    for (size_t column = 0; column < dim_; ++column) {
      for (size_t row = column; row < dim_; ++row) {
        const double right = reference_[column * dim_ + row];
        const double off = out[column * dim_ + row] - right;
        difference += off * off;
        size += right * right;
      }
    }
    return std::sqrt(difference / size);
  }

  Harness& h_;
  size_t dim_;
  size_t rows_;
  int64_t d_;
  int64_t k_;
  size_t tiles_;
  std::string name_;
  DeviceBuffer input_;  // tiles that take turns
  DeviceBuffer wide_;
  DeviceBuffer pieces_;
  DeviceBuffer partial_;
  DeviceBuffer scatter_;
  DeviceBuffer largest_;
  std::vector<double> reference_;
};

}  // namespace ncscope::bench
