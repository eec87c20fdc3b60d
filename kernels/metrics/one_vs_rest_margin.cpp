#include "kernels/metrics/one_vs_rest_margin.h"

#include <algorithm>

#include "kernels/metrics/hull_margin.h"
#include "kernels/metrics/undefined.h"
#include "kernels/metrics/vector_stats.h"
#include "kernels/unit_rows.h"

namespace ncscope::metrics {
namespace {

// The row next to which a hull has its nearest point, if both have the same direction.
std::optional<size_t> aligned_with(const HullRows& rows, const PairInput& input,
                                   const HullMargin& margin) {
  const auto heaviest = std::ranges::max_element(margin.atoms, {}, &HullAtom::weight);
  const std::vector<double> directions = direction_resolution(input, rows.inverse_norms());
  std::vector<double> here(rows.dim()), difference(rows.dim());
  rows.load(margin.row, here.data());
  rows.load_difference(heaviest->row, here.data(), difference.data());
  if (norm_of(difference) > directions[margin.row] + directions[heaviest->row]) return std::nullopt;
  return heaviest->row;
}

}  // namespace

void one_vs_rest_margin_undefined(const EtfVectors& vectors, const std::string& reason,
                                  ReportValues& out) {
  undefined_fields(out, vectors.group,
                   {"one_vs_rest_margin", "one_vs_rest_margin_gap", "one_vs_rest_margin_class"},
                   reason);
}

void one_vs_rest_margin(Device& device, const EtfVectors& vectors, const CenteredRows& rows,
                        const PairInput& input, ReportValues& out) {
  const std::string name(vectors.vectors);
  if (vectors.count > kMarginRows) {
    one_vs_rest_margin_undefined(vectors,
                                 "there are " + std::to_string(vectors.count) + " " + name +
                                     "s, of " + std::to_string(kMarginRows) + " at most",
                                 out);
    return;
  }
  if (vectors.zero) {
    one_vs_rest_margin_undefined(vectors,
                                 "the " + name + " of class " + std::to_string(*vectors.zero) +
                                     " is zero and has no direction",
                                 out);
    return;
  }
  const HullRows hull(device, rows, input.rows);
  const auto none = std::ranges::find(hull.inverse_norms(), 0.0);
  if (none != hull.inverse_norms().end()) {
    const auto row = static_cast<size_t>(none - hull.inverse_norms().begin());
    one_vs_rest_margin_undefined(vectors,
                                 "the square of the " + name + " of class " +
                                     std::to_string(vectors.label(row)) + " underflows",
                                 out);
    return;
  }
  HullMargin margin = hull_margin(device, hull, input.rows);
  size_t row = margin.row;
  if (const std::optional<size_t> other = aligned_with(hull, input, margin)) {
    margin.value = margin.lower = 0;
    row = std::min(row, *other);
  }
  const std::string path = std::string(vectors.group) + ".one_vs_rest_margin";
  out.set(path, margin.value);
  out.set(path + "_gap", margin.value - margin.lower);
  out.set_integer(path + "_class", vectors.label(row));
}

}  // namespace ncscope::metrics
