#include "kernels/metrics/hull_margin.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/clones.h"
#include "kernels/metrics/etf.h"
#include "kernels/metrics/hull_descent.h"
#include "kernels/metrics/min_norm_point.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {
namespace {

constexpr size_t kRounds = 64;
constexpr size_t kRoundsAnyway = 6;  // whatever they cost
constexpr size_t kPanelRows = 256;   // searched in one product
constexpr size_t kTakenIn = 32;      // rows, in one round of one search

// Rows from which on P x P products are worth their while.
constexpr size_t kManyRows = 128;

// Multiplications on the host, half a minute or so, and on the device, beside its pair_budget().
constexpr double kHostBudget = 0x1p36;
constexpr double kDeviceBudgets = 4;

NCSCOPE_CLONES void add_row(double factor, const double* x, double* y, size_t dim) {
  for (size_t j = 0; j < dim; ++j) y[j] += factor * x[j];
}

class MarginRounds {
 public:
  MarginRounds(Device& device, const HullRows& rows, HullMargin& margin)
      : device_(device), rows_(rows), margin_(margin), from_(rows.dim()), row_(rows.dim()) {}

  void run(std::vector<HullSearch> searches) {
    for (size_t round = 0; !searches.empty(); ++round) {
      const bool spent = device_work_ > kDeviceBudgets * device_.pair_budget();
      last_ = round + 1 >= kRounds || (spent && round + 1 >= kRoundsAnyway);
      std::vector<HullSearch> left;
      for (size_t first = 0; first < searches.size(); first += kPanelRows) {
        const size_t count = std::min(kPanelRows, searches.size() - first);
        for (HullSearch& search : step({&searches[first], count})) {
          left.push_back(std::move(search));
        }
      }
      searches = std::move(left);
    }
  }

  // ||u_c - x_c|| with what rounding may add, and g = u_c - x_c [d].
  double distance(size_t c, std::span<const HullAtom> atoms, double* g) {
    rows_.load(c, from_.data());
    double sum = 0;
    for (const HullAtom& atom : atoms) sum += atom.weight;
    std::fill_n(g, rows_.dim(), 0.0);
    for (const HullAtom& atom : atoms) {
      rows_.load_difference(atom.row, from_.data(), row_.data());
      add_row(-atom.weight / sum, row_.data(), g, rows_.dim());
    }
    return norm_of({g, rows_.dim()}) + rows_.length_error(atoms.size());
  }

 private:
  // Whether the host may factor one more Gram matrix of this order.
  bool affordable(size_t order) const {
    const auto n = static_cast<double>(order);
    return static_cast<double>(host_work_) + n * n * n / 6 < kHostBudget;
  }

  // One round of some searches; returns those that go on.
  std::vector<HullSearch> step(std::span<HullSearch> searches) {
    std::vector<double> directions(searches.size() * rows_.dim());
    std::vector<double> lengths;
    for (size_t s = 0; s < searches.size(); ++s) {
      double* const g = &directions[s * rows_.dim()];
      if (searches[s].atoms.empty()) {
        from_mean(searches[s].row, g);
      } else {
        distance(searches[s].row, searches[s].atoms, g);
      }
      const double length = norm_of({g, rows_.dim()});
      lengths.push_back(length);
      for (size_t j = 0; length > 0 && j < rows_.dim(); ++j) g[j] /= length;
    }
    std::vector<double> products(searches.size() * rows_.count());
    rows_.products({directions.data(), searches.size(), rows_.dim()}, products.data());
    device_work_ += static_cast<double>(products.size()) * static_cast<double>(rows_.dim());

    std::vector<HullSearch> out;
    for (size_t s = 0; s < searches.size(); ++s) {
      HullSearch& search = searches[s];
      const std::span<const double> along{&products[s * rows_.count()], rows_.count()};
      search.lower = std::max(search.lower, lower_bound(search.row, along));
      const bool inside = lengths[s] == 0 && !search.atoms.empty();
      if (last_ || inside || margin_.settles(search.lower) || !take_in(search, along, lengths[s])) {
        margin_.settle(search.lower);
      } else {
        out.push_back(std::move(search));
      }
    }
    return out;
  }

  // g = u_c - mean of the others.
  void from_mean(size_t c, double* g) {
    if (sum_.empty()) {
      sum_.assign(rows_.dim(), 0.0);
      for (size_t j = 0; j < rows_.count(); ++j) {
        rows_.load(j, row_.data());
        add_row(1, row_.data(), sum_.data(), rows_.dim());
      }
    }
    rows_.load(c, from_.data());
    const auto others = static_cast<double>(rows_.count() - 1);
    for (size_t j = 0; j < rows_.dim(); ++j) g[j] = from_[j] - (sum_[j] - from_[j]) / others;
  }

  double lower_bound(size_t c, std::span<const double> along) const {
    double most = -std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < along.size(); ++j) {
      if (j != c) most = std::max(most, along[j]);
    }
    return along[c] - most - rows_.product_error();
  }

  // Takes in the rows that go farthest beyond x_c along g, and moves x_c; false where there are
  // none.
  bool take_in(HullSearch& search, std::span<const double> along, double length) {
    std::vector<HullAtom> working = search.atoms;
    const size_t kept = working.size();
    for (const size_t row : beyond(search, along, length)) working.push_back({row, 0});
    if (working.size() == kept && search.nearest) return false;
    if (!affordable(working.size())) return false;

    rows_.load(search.row, from_.data());
    std::vector<double> points(working.size() * rows_.dim());
    std::vector<double> start;
    for (size_t i = 0; i < working.size(); ++i) {
      rows_.load_difference(working[i].row, from_.data(), &points[i * rows_.dim()]);
      start.push_back(working[i].weight);
    }
    const DeviceMatrix uploaded = device_.upload({points.data(), working.size(), rows_.dim()});
    const DeviceMatrix products = device_.matrix(working.size(), working.size());
    device_.syrk(false, 1, uploaded, 0, products);
    std::vector<double> gram(working.size() * working.size());
    device_.download(products, gram.data());
    device_work_ += static_cast<double>(gram.size()) * static_cast<double>(rows_.dim()) / 2;

    const MinNormPoint nearest = min_norm_point({gram.data(), working.size(), working.size()},
                                                kept == 0 ? std::span<const double>() : start);
    host_work_ += nearest.multiplications + working.size() * rows_.dim();
    search.nearest = true;
    search.atoms.clear();
    for (size_t i = 0; i < working.size(); ++i) {
      if (nearest.weights[i] > 0) search.atoms.push_back({working[i].row, nearest.weights[i]});
    }
    if (search.atoms.empty()) return false;  // what is not finite has no weights
    const double value = distance(search.row, search.atoms, points.data());
    if (value < margin_.value) {
      margin_.value = value;
      margin_.row = search.row;
      margin_.atoms = search.atoms;
    }
    return true;
  }

  std::vector<size_t> beyond(const HullSearch& search, std::span<const double> along,
                             double length) const {
    // <x_c, g> where atoms are known; the mean of the others stands for none.
    double least = -std::numeric_limits<double>::infinity();
    if (!search.atoms.empty()) least = along[search.row] - length + rows_.product_error();
    std::vector<char> known(rows_.count(), 0);
    known[search.row] = 1;
    for (const HullAtom& atom : search.atoms) known[atom.row] = 1;
    std::vector<size_t> out;
    for (size_t j = 0; j < along.size(); ++j) {
      if (known[j] == 0 && along[j] > least) out.push_back(j);
    }
    const size_t count = std::min(kTakenIn, out.size());
    std::ranges::partial_sort(
        out, out.begin() + static_cast<std::ptrdiff_t>(count),
        [&](size_t a, size_t b) { return along[a] != along[b] ? along[a] > along[b] : a < b; });
    out.resize(count);
    return out;
  }

  Device& device_;
  const HullRows& rows_;
  HullMargin& margin_;
  std::vector<double> from_;  // [d] u_c
  std::vector<double> row_;   // [d]
  std::vector<double> sum_;   // [d] of all rows
  bool last_ = false;         // in this round bounds only
  double device_work_ = 0;    // multiplications
  uint64_t host_work_ = 0;
};

}  // namespace

HullMargin hull_margin(Device& device, const HullRows& rows, ConstMatrix device_rows) {
  HullMargin out;
  out.slack = 2 * rows.product_error() + rows.length_error(rows.dim());
  std::vector<HullSearch> searches;
  if (rows.count() >= kManyRows && rows.count() <= rows.dim() + 1) {
    searches = descend_all(device, rows, small_products(device, device_rows), out);
  } else {
    searches.resize(rows.count());
    for (size_t c = 0; c < rows.count(); ++c) searches[c].row = c;
  }
  MarginRounds rounds(device, rows, out);
  rounds.run(std::move(searches));
  std::vector<double> g(rows.dim());
  out.value = rounds.distance(out.row, out.atoms, g.data());
  out.lower = std::min(out.lower, out.value);
  return out;
}

}  // namespace ncscope::metrics
