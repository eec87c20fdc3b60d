#include "kernels/metrics/min_norm_point.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/clones.h"

namespace ncscope::metrics {
namespace {

constexpr size_t kDotLanes = 8;  // independent sums, for the processor's vectors

// Of a point's squared length: what is left beyond the span of others counts as rounding below it.
constexpr double kDependent = 0x1p-42;

NCSCOPE_CLONES double factor_dot(const double* x, const double* y, size_t count) {
  double lanes[kDotLanes] = {};
  size_t i = 0;
  for (; i + kDotLanes <= count; i += kDotLanes) {
    for (size_t l = 0; l < kDotLanes; ++l) lanes[l] += x[i + l] * y[i + l];
  }
  double sum = 0;
  for (; i < count; ++i) sum += x[i] * y[i];
  for (const double lane : lanes) sum += lane;
  return sum;
}

NCSCOPE_CLONES void add_multiple(double factor, const double* x, double* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] += factor * x[i];
}

// Affinely independent points, with L L^T = Q + shift 11^T of their Gram matrix Q.
class Corral {
 public:
  explicit Corral(ConstMatrix gram) : gram_(gram), shift_(std::numeric_limits<double>::infinity()) {
    for (size_t i = 0; i < gram.rows; ++i) shift_ = std::min(shift_, gram.row(i)[i]);
  }

  const std::vector<size_t>& points() const { return points_; }
  uint64_t multiplications() const { return multiplications_; }

  // False where the point is in the affine hull of the others, to rounding.
  bool add(size_t point) {
    const size_t n = points_.size();
    std::vector<double> row(n + 1);
    for (size_t i = 0; i < n; ++i) {
      row[i] = (gram_.row(point)[points_[i]] + shift_ - factor_dot(l_[i].data(), row.data(), i)) /
               l_[i][i];
    }
    const double whole = gram_.row(point)[point] + shift_;
    const double pivot = whole - factor_dot(row.data(), row.data(), n);
    multiplications_ += n * (n + 1) / 2;
    if (!(pivot > kDependent * whole)) return false;
    row[n] = std::sqrt(pivot);
    l_.push_back(std::move(row));
    points_.push_back(point);
    return true;
  }

  // Of the k-th point. Rows below have one column too many then; rotations take it out.
  void remove(size_t k) {
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(k));
    l_.erase(l_.begin() + static_cast<std::ptrdiff_t>(k));
    for (size_t i = k; i < l_.size(); ++i) {
      const double length = std::hypot(l_[i][i], l_[i][i + 1]);
      const double cosine = l_[i][i] / length, sine = l_[i][i + 1] / length;
      for (size_t r = i; r < l_.size(); ++r) {
        const double x = l_[r][i], y = l_[r][i + 1];
        l_[r][i] = cosine * x + sine * y;
        l_[r][i + 1] = cosine * y - sine * x;
      }
      l_[i].pop_back();
      multiplications_ += 4 * (l_.size() - i);
    }
  }

  // Weights, summing to 1, of the shortest vector in the affine hull: Q v is constant.
  std::vector<double> affine_weights() {
    const size_t n = points_.size();
    std::vector<double> v(n);
    for (size_t i = 0; i < n; ++i) v[i] = (1 - factor_dot(l_[i].data(), v.data(), i)) / l_[i][i];
    for (size_t i = n; i-- > 0;) {
      v[i] /= l_[i][i];
      add_multiple(-v[i], l_[i].data(), v.data(), i);
    }
    double sum = 0;
    for (const double x : v) sum += x;
    for (double& x : v) x /= sum;
    multiplications_ += n * n;
    return v;
  }

 private:
  ConstMatrix gram_;
  double shift_;  // the smallest squared length: a larger one would drown short vectors
  std::vector<size_t> points_;
  std::vector<std::vector<double>> l_;  // row i has i + 1 numbers
  uint64_t multiplications_ = 0;
};

class Wolfe {
 public:
  explicit Wolfe(ConstMatrix gram) : gram_(gram), corral_(gram) {}

  MinNormPoint run(std::span<const double> start) {
    begin(start);
    MinNormPoint out;
    out.weights = weights_of_all();
    double shortest = std::numeric_limits<double>::infinity();
    for (size_t step = 0; step < 4 * gram_.rows + 16; ++step) {
      const std::vector<double> along = products();
      const double square = squared_length(along);
      if (!(square < shortest)) break;  // by rounding
      shortest = square;
      out.weights = weights_of_all();
      if (!step_towards(along, square)) break;
    }
    out.multiplications = multiplications_ + corral_.multiplications();
    return out;
  }

 private:
  void begin(std::span<const double> start) {
    for (size_t i = 0; i < start.size(); ++i) {
      if (start[i] > 0 && corral_.add(i)) weights_.push_back(start[i]);
    }
    if (weights_.empty()) {
      size_t nearest = 0;
      for (size_t i = 1; i < gram_.rows; ++i) {
        if (gram_.row(i)[i] < gram_.row(nearest)[nearest]) nearest = i;
      }
      corral_.add(nearest);
      weights_.push_back(1);
    }
    normalize();
    descend();
  }

  // [n] <e_j, y> of the vector y = sum of weights times points.
  std::vector<double> products() {
    std::vector<double> out(gram_.rows);
    for (size_t k = 0; k < weights_.size(); ++k) {
      add_multiple(weights_[k], gram_.row(corral_.points()[k]), out.data(), out.size());
    }
    multiplications_ += weights_.size() * out.size();
    return out;
  }

  double squared_length(const std::vector<double>& along) const {
    double sum = 0;
    for (size_t k = 0; k < weights_.size(); ++k) sum += weights_[k] * along[corral_.points()[k]];
    return sum;
  }

  std::vector<double> weights_of_all() const {
    std::vector<double> out(gram_.rows, 0);
    for (size_t k = 0; k < weights_.size(); ++k) out[corral_.points()[k]] = weights_[k];
    return out;
  }

  // Takes in the point that y has most to gain from; false where there is none.
  bool step_towards(const std::vector<double>& along, double square) {
    double longest = 0;
    for (const size_t point : corral_.points()) {
      longest = std::max(longest, gram_.row(point)[point]);
    }
    std::vector<size_t> order;
    for (size_t j = 0; j < along.size(); ++j) {
      const double rounding = 0x1p-50 * std::sqrt(longest * gram_.row(j)[j]);
      if (along[j] < square - rounding) order.push_back(j);
    }
    while (!order.empty()) {
      const auto next = std::ranges::min_element(order, {}, [&](size_t j) { return along[j]; });
      if (std::ranges::find(corral_.points(), *next) == corral_.points().end() &&
          corral_.add(*next)) {
        weights_.push_back(0);
        descend();
        return true;
      }
      order.erase(next);
    }
    return false;
  }

  // From the weights to those of the affine hull's shortest vector, or to the border of the convex
  // hull on the way there, whose points are left then, and on.
  void descend() {
    for (;;) {
      const std::vector<double> target = corral_.affine_weights();
      double step = 1;
      size_t first_out = target.size();
      for (size_t k = 0; k < target.size(); ++k) {
        if (target[k] > 0) continue;
        const double reach = weights_[k] > 0 ? weights_[k] / (weights_[k] - target[k]) : 0;
        if (first_out == target.size() || reach < step) {
          step = reach;
          first_out = k;
        }
      }
      for (size_t k = 0; k < target.size(); ++k) weights_[k] += step * (target[k] - weights_[k]);
      if (first_out == target.size()) {
        weights_ = target;
        return;
      }
      weights_[first_out] = 0;
      for (size_t k = weights_.size(); k-- > 0;) {
        if (weights_[k] > 0 || target[k] > 0) continue;
        corral_.remove(k);
        weights_.erase(weights_.begin() + static_cast<std::ptrdiff_t>(k));
      }
      normalize();
    }
  }

  void normalize() {
    double sum = 0;
    for (const double weight : weights_) sum += weight;
    for (double& weight : weights_) weight /= sum;
  }

  ConstMatrix gram_;
  Corral corral_;
  std::vector<double> weights_;  // of the corral's points
  uint64_t multiplications_ = 0;
};

}  // namespace

MinNormPoint min_norm_point(ConstMatrix gram, std::span<const double> start) {
  for (size_t i = 0; i < gram.rows; ++i) {
    if (gram.row(i)[i] > 0) continue;
    MinNormPoint zero;
    zero.weights.assign(gram.rows, 0);
    zero.weights[i] = 1;
    return zero;
  }
  return Wolfe(gram).run(start);
}

}  // namespace ncscope::metrics
