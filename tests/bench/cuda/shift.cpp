// The fused kernel of the pass, with the two that merge what its blocks leave, on tiles whose rows
// are in device memory already. Bytes count once: rows read, shifted rows written, and for each
// class of the tile its reference read and its sum read and written. Tiles take turns, and so do
// references and sums: what comes out of the L2 cache is not at the rate of memory.
#include <cmath>

#include "tests/bench/cuda/harness.h"
#include "tests/bench/cuda/made_up.h"

namespace ncscope::bench {
namespace {

class Shift {
 public:
  Shift(Harness& harness, size_t dim, size_t classes, DType type)
      : h_(harness),
        dim_(dim),
        classes_(classes),
        type_(type),
        rows_(h_.smoke() ? 70 : kTileRows),
        tiles_(tiles_for(h_, kTileRows * dim * sizeof(float))),
        states_(std::min(tiles_, tiles_for(h_, classes * dim * 12) + 1)),
        input_(h_.allocate(tiles_ * input_bytes())),
        shifted_(h_.allocate(tiles_ * rows_ * dim * sizeof(float))),
        references_(h_.allocate(states_ * classes * dim * sizeof(float))),
        sums_(h_.allocate(states_ * classes * dim * sizeof(double))),
        squares_(h_.allocate(classes * sizeof(double))),
        column_squares_(h_.allocate(dim * sizeof(double))),
        sum_squares_(h_.allocate(sizeof(double))),
        device_plans_(h_.allocate(kPlans * sizeof(cuda::TilePlan))),
        plans_(kPlans),
        memory_(h_.card),
        work_(memory_) {
    fill_samples(h_.stream(), type, input_.data(), tiles_ * rows_, dim, classes, 4);
    fill(h_.stream(), references_.as<float>(), states_ * classes * dim, 4);
    NCSCOPE_CUDA_TRY(cudaMemsetAsync(sums_.data(), 0, sums_.bytes(), h_.stream()));
    NCSCOPE_CUDA_TRY(cudaMemsetAsync(squares_.data(), 0, squares_.bytes(), h_.stream()));
    const std::vector<int32_t> labels = labels_of(kPlans * rows_, classes);
    const std::vector<uint8_t> settled(classes, 1);
    cuda::TilePlanner planner;
    for (size_t p = 0; p < kPlans; ++p) {
      planner.plan(std::span(labels).subspan(p * rows_, rows_), classes, settled, plans_[p]);
    }
    h_.to_card(device_plans_.data(), plans_.data(), kPlans * sizeof(cuda::TilePlan));
    work_.grow(dim, DType::kFloat32);
    cuda::ShiftTile tile;
    work_.fill(dim, tile);
    NCSCOPE_CUDA_TRY(cudaMemsetAsync(tile.largest, 0, sizeof(unsigned), h_.stream()));
  }

  void measure(const std::string& name) {
    Figure figure = {.name = name, .unit = "byte/s", .value = {}};
    figure.error = error();
    figure.error_at_most = 1e-12;
    double touched = 0;
    for (const cuda::TilePlan& plan : plans_) touched += plan.classes / double{kPlans};
    const auto d = static_cast<double>(dim_);
    const double bytes = static_cast<double>(input_bytes()) + static_cast<double>(rows_) * d * 4 +
                         touched * d * (4 + 8 + 8);
    const int launches = h_.smoke() ? 2 : static_cast<int>(std::max(size_t{32}, tiles_));
    const Measured seconds = h_.on_card(7, launches, [&](int i) { run(i); });
    figure.set_rate(seconds, bytes, "device_copy");
    figure.numbers["classes_per_tile"] = touched;
    figure.peak_bytes = h_.card.used_bytes();
    h_.record.add(figure);
  }

 private:
  static constexpr size_t kPlans = 16;

  size_t input_bytes() const { return rows_ * dim_ * dtype_size(type_); }

  void run(int i) {
    const auto n = static_cast<size_t>(i);
    const size_t p = n % kPlans;
    cuda::ShiftTile tile;
    work_.fill(dim_, tile);
    tile.plan = device_plans_.as<cuda::TilePlan>() + p;
    tile.other_rows = input_.as<std::byte>() + n % tiles_ * input_bytes();
    tile.dim = dim_;
    const size_t state = n % states_ * classes_ * dim_;
    tile.references = references_.as<float>() + state;
    tile.sums = sums_.as<double>() + state;
    tile.squares = squares_.as<double>();
    tile.column_squares = column_squares_.as<double>();
    tile.sum_squares = sum_squares_.as<double>();
    tile.shifted = shifted_.as<float>() + n % tiles_ * rows_ * dim_;
    cuda::shift_tile(h_.stream(), type_, DType::kFloat32, plans_[p], tile);
  }

  // Of the sums of one tile's columns, against float64 sums on the host.
  double error() {
    NCSCOPE_CUDA_TRY(
        cudaMemsetAsync(column_squares_.data(), 0, column_squares_.bytes(), h_.stream()));
    NCSCOPE_CUDA_TRY(cudaMemsetAsync(sum_squares_.data(), 0, sum_squares_.bytes(), h_.stream()));
    run(0);
    std::vector<double> column_squares(dim_), sums(classes_ * dim_), right(dim_), all(dim_);
    h_.to_host(column_squares.data(), column_squares_.data(), dim_ * sizeof(double));
    h_.to_host(sums.data(), sums_.data(), sums.size() * sizeof(double));
    std::vector<std::byte> input(input_bytes());
    h_.to_host(input.data(), input_.data(), input.size());
    std::vector<float> references(classes_ * dim_);
    h_.to_host(references.data(), references_.data(), references.size() * sizeof(float));
    std::vector<double> values(rows_ * dim_);
    convert(type_, input.data(), values.size(), values.data());
    std::vector<double> right_sums(dim_);
    for (size_t place = 0; place < rows_; ++place) {
      const auto row = static_cast<size_t>(plans_[0].row_at[place]);
      const auto label = static_cast<size_t>(plans_[0].label_at[place]);
      for (size_t j = 0; j < dim_; ++j) {
        const double x = values[row * dim_ + j] - double{references[label * dim_ + j]};
        right[j] += x * x;
        right_sums[j] += x;
      }
    }
    for (size_t i = 0; i < sums.size(); ++i) all[i % dim_] += sums[i];
    double largest = 0;
    for (size_t j = 0; j < dim_; ++j) {
      largest = std::max(largest, std::fabs(column_squares[j] / right[j] - 1));
      largest = std::max(largest, std::fabs(all[j] - right_sums[j]) / right[j]);
    }
    return largest;
  }

  Harness& h_;
  size_t dim_;
  size_t classes_;
  DType type_;
  size_t rows_;
  size_t tiles_;
  size_t states_;  // references and sums of all classes
  DeviceBuffer input_;
  DeviceBuffer shifted_;
  DeviceBuffer references_;
  DeviceBuffer sums_;
  DeviceBuffer squares_;
  DeviceBuffer column_squares_;
  DeviceBuffer sum_squares_;
  DeviceBuffer device_plans_;
  std::vector<cuda::TilePlan> plans_;
  cuda::DeviceMemory memory_;
  cuda::TileWork work_;
};

}  // namespace

void measure_shift(Harness& h) {
  using Sizes = std::vector<size_t>;
  for (const size_t dim : pick<Sizes>(h.mode, {20}, {512, 2048, 4096}, {512, 2048, 4096})) {
    for (const size_t classes : pick<Sizes>(h.mode, {5}, {1000}, {10, 1000, 30000})) {
      for (const DType type : {DType::kFloat32, DType::kBFloat16}) {
        const std::string name = "shift/d" + std::to_string(dim) + "/K" + std::to_string(classes) +
                                 "/" + std::string(dtype_name(type));
        h.attempt(name, [&] { Shift(h, dim, classes, type).measure(name); });
      }
    }
  }
}

}  // namespace ncscope::bench
