#include "kernels/metrics/hull_descent.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/clones.h"
#include "kernels/metrics/lanczos.h"

namespace ncscope::metrics {
namespace {

constexpr double kMostSteps = 32;
constexpr double kLeastSteps = 4;      // whatever they cost
constexpr double kDescentBudgets = 4;  // of the device's pair_budget()
constexpr size_t kDescentRows = 256;   // that go together

// The weights of one row's hull point, and what the next step needs of the last.
struct Descent {
  size_t row = 0;                // c
  std::vector<double> weights;   // [P] >= 0, summing to 1; 0 at c
  std::vector<double> ahead;     // [P] where the next gradient is taken: with momentum
  std::vector<double> previous;  // [P] <g, u_j> at the weights before
  double square = 0;             // ||g||^2 there
  double momentum = 1;           // t_k
  double ahead_by = 0;           // ahead = weights + ahead_by (weights - those before)
};

// Moves z to the nearest point of the simplex whose coordinate c is 0. Coordinates leave until all
// that are left stay positive (Michelot 1986).
NCSCOPE_CLONES void project_on_simplex(std::vector<double>& z, size_t c) {
  const double out = -std::numeric_limits<double>::infinity();
  z[c] = out;
  double least = out, level = 0;
  for (size_t left = z.size();;) {
    double sum = 0;
    size_t count = 0;
    for (const double x : z) {
      sum += x > least ? x : 0;
      count += x > least;
    }
    level = (sum - 1) / static_cast<double>(count);
    if (count == left) break;
    left = count;
    least = level;
  }
  for (double& x : z) x = x > level ? x - level : 0;
}

class AllDescents {
 public:
  AllDescents(Device& device, const HullRows& rows, ConstMatrix products, HullMargin& margin)
      : device_(device),
        rows_(rows),
        count_(rows.count()),
        products_(products),
        margin_(margin),
        step_(step_length()) {
    const auto p = static_cast<double>(count_);
    const double affordable = kDescentBudgets * device.pair_budget() / (p * p * p);
    steps_ = static_cast<size_t>(std::clamp(affordable, kLeastSteps, kMostSteps));
  }

  std::vector<HullSearch> run() {
    std::vector<HullSearch> out;
    for (size_t first = 0; first < count_; first += kDescentRows) {
      std::vector<Descent> panel;
      for (size_t c = first; c < std::min(first + kDescentRows, count_); ++c) {
        panel.push_back(begin(c));
      }
      for (size_t step = 0; step < steps_ && !panel.empty(); ++step) advance(panel);
      for (const Descent& descent : panel) {
        HullSearch search;
        search.row = descent.row;
        search.atoms = atoms_of(descent.weights);
        out.push_back(std::move(search));
      }
    }
    return out;
  }

 private:
  // 1 over the largest eigenvalue of the Gram matrix of u_j - mean: weights sum to 1, so that a
  // constant in the gradient means nothing.
  double step_length() {
    const std::vector<double>& scale = rows_.inverse_norms();
    const DeviceMatrix x = device_.matrix(count_, 1);
    const DeviceMatrix y = device_.matrix(count_, 1);
    const auto center = [&](std::span<double> v) {
      const double mean = std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(count_);
      for (double& value : v) value -= mean;
    };
    const auto largest = largest_eigenvalue(count_, [&](std::span<double> v) {
      center(v);
      for (size_t j = 0; j < count_; ++j) v[j] *= scale[j];
      device_.copy_to_device(x.view().data, v.data(), count_ * sizeof(double));
      device_.gemm(false, false, 1, products_, x, 0, y);
      device_.copy_to_host(v.data(), y.view().data, count_ * sizeof(double));
      for (size_t j = 0; j < count_; ++j) v[j] *= scale[j];
      center(v);
    });
    return largest && *largest > 0 ? 1 / (1.001 * *largest) : 1 / static_cast<double>(count_);
  }

  Descent begin(size_t c) const {
    Descent out;
    out.row = c;
    out.weights.assign(count_, 1 / static_cast<double>(count_ - 1));
    out.weights[c] = 0;
    out.ahead = out.weights;
    out.square = std::numeric_limits<double>::infinity();
    return out;
  }

  static std::vector<HullAtom> atoms_of(const std::vector<double>& weights) {
    std::vector<HullAtom> out;
    for (size_t j = 0; j < weights.size(); ++j) {
      if (weights[j] > 0) out.push_back({j, weights[j]});
    }
    return out;
  }

  // One step of every row; rows that are settled leave.
  void advance(std::vector<Descent>& panel) {
    const std::vector<double>& scale = rows_.inverse_norms();
    std::vector<double> signed_weights(panel.size() * count_);  // of u in g: 1 at c
    for (size_t r = 0; r < panel.size(); ++r) {
      double* const w = &signed_weights[r * count_];
      for (size_t j = 0; j < count_; ++j) w[j] = -panel[r].ahead[j] * scale[j];
      w[panel[r].row] = scale[panel[r].row];
    }
    const DeviceMatrix left = device_.upload({signed_weights.data(), panel.size(), count_});
    const DeviceMatrix product = device_.matrix(panel.size(), count_);
    device_.gemm(false, false, 1, left, products_, 0, product);
    std::vector<double> along(panel.size() * count_);  // <g, u_j>
    device_.download(product, along.data());
    std::vector<Descent> left_over;
    for (size_t r = 0; r < panel.size(); ++r) {
      double* const t = &along[r * count_];
      for (size_t j = 0; j < count_; ++j) t[j] *= scale[j];
      if (!settled(panel[r], {t, count_})) {
        move(panel[r], {t, count_});
        left_over.push_back(std::move(panel[r]));
      }
    }
    panel = std::move(left_over);
  }

  // ||g||^2 of g = u_c - sum of weights u_j from <g, u_j>.
  static double square_of(size_t c, const std::vector<double>& weights,
                          std::span<const double> along) {
    double sum = along[c];
    for (size_t j = 0; j < weights.size(); ++j) sum -= weights[j] * along[j];
    return sum;
  }

  // Whether the bound that `ahead` gives, whether or not it is a point of the hull, is enough.
  bool settled(const Descent& descent, std::span<const double> along) const {
    double most = -std::numeric_limits<double>::infinity();
    double size = 1;
    for (size_t j = 0; j < count_; ++j) {
      if (j != descent.row) most = std::max(most, along[j]);
      size += std::fabs(descent.ahead[j]);
    }
    // Of products of d numbers, summed with weights of this size.
    const double error =
        2 * size * static_cast<double>(rows_.dim() + count_ + 16) * HullRows::kUnit;
    const double square = square_of(descent.row, descent.ahead, along);
    const double length = std::sqrt(std::max(square, 0.0) + size * error);
    const double ahead_bound = (along[descent.row] - most - error) / length;
    if (!margin_.settles(ahead_bound)) return false;
    margin_.settle(ahead_bound);
    return true;
  }

  void move(Descent& descent, std::span<double> along) {
    // The gradient is linear: from `ahead` back to the weights.
    if (descent.ahead_by > 0) {
      std::vector<double> there(count_);
      for (size_t j = 0; j < count_; ++j) {
        there[j] = (along[j] + descent.ahead_by * descent.previous[j]) / (1 + descent.ahead_by);
      }
      descent.previous = std::move(there);
    } else {
      descent.previous.assign(along.begin(), along.end());
    }
    const double square = square_of(descent.row, descent.weights, descent.previous);
    offer(descent, square);
    if (square > descent.square) descent.momentum = 1;
    descent.square = square;

    std::vector<double> next(count_);
    for (size_t j = 0; j < count_; ++j) next[j] = descent.ahead[j] + step_ * along[j];
    project_on_simplex(next, descent.row);
    const double momentum = (1 + std::sqrt(1 + 4 * descent.momentum * descent.momentum)) / 2;
    descent.ahead_by = (descent.momentum - 1) / momentum;
    descent.momentum = momentum;
    for (size_t j = 0; j < count_; ++j) {
      descent.ahead[j] = next[j] + descent.ahead_by * (next[j] - descent.weights[j]);
    }
    descent.weights = std::move(next);
  }

  void offer(const Descent& descent, double square) {
    // Rounding may have made it 0; it is to be no less than the distance.
    const double error = 8 * static_cast<double>(rows_.dim() + count_ + 16) * HullRows::kUnit;
    const double distance = std::sqrt(std::max(square, 0.0) + error);
    if (distance >= margin_.value) return;
    margin_.value = distance;
    margin_.row = descent.row;
    margin_.atoms = atoms_of(descent.weights);
  }

  Device& device_;
  const HullRows& rows_;
  size_t count_;  // P
  ConstMatrix products_;
  HullMargin& margin_;
  double step_;       // length
  size_t steps_ = 0;  // number
};

}  // namespace

std::vector<HullSearch> descend_all(Device& device, const HullRows& rows, ConstMatrix products,
                                    HullMargin& margin) {
  return AllDescents(device, rows, products, margin).run();
}

}  // namespace ncscope::metrics
