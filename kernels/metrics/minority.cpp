// minority.*: minority collapse, the rarest classes' vectors fall together (Fang et al., arXiv
// 2101.12699): mean pair cosine of classifier rows and of centred means over the rarest third of
// the present classes. Of equally rare ones the lower labels come first.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "kernels/metrics/metrics.h"
#include "kernels/metrics/undefined.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {
namespace {

// Rows of the rarest third of the classes.
std::vector<size_t> rarest_rows(const Statistics& s) {
  std::vector<size_t> rows(s.present());
  std::iota(rows.begin(), rows.end(), size_t{0});
  std::ranges::stable_sort(rows, {}, [&](size_t row) { return s.counts[row]; });
  rows.resize(s.present() / 3);
  return rows;
}

// The mean of cos(x_c, x_c') over the pairs of the rows, or nothing where a row is zero: with unit
// rows u, (||sum u||^2 - m) / (m (m - 1)).
std::optional<double> mean_cosine(size_t dim, size_t rows,
                                  const std::function<void(size_t row, double* out)>& row_at) {
  std::vector<double> row(dim), sum(dim);
  for (size_t r = 0; r < rows; ++r) {
    row_at(r, row.data());
    const double norm = norm_of(row);
    if (norm == 0) return std::nullopt;
    for (size_t j = 0; j < dim; ++j) sum[j] += row[j] / norm;
  }
  const double length = norm_of(sum);
  const auto m = static_cast<double>(rows);
  return (length * length - m) / (m * (m - 1));
}

void set_cosine(ReportValues& out, const char* path, const char* vectors,
                std::optional<double> cosine) {
  if (cosine) {
    out.set(path, *cosine);
  } else {
    out.undefined(path, std::string("the ") + vectors + " of a rare class is zero");
  }
}

}  // namespace

void minority(Analysis& analysis, ReportValues& out) {
  const Statistics& s = analysis.statistics();
  const auto [least, most] = std::ranges::minmax(s.counts);
  if (least == most) {
    out.undefined("minority", "all present classes have the same number of samples");
    return;
  }
  const std::vector<size_t> rows = rarest_rows(s);
  if (rows.size() < 2) {
    out.undefined("minority", "the rarest third is fewer than two of " +
                                  std::to_string(s.present()) + " present classes");
    return;
  }
  const size_t dim = analysis.dim();
  out.set_integer("minority.classes", rows.size());
  if (analysis.no_between()) {
    out.undefined("minority.means_cosine", *analysis.no_between());
  } else {
    const auto zero = [&](size_t row) { return analysis.zero_means()[row]; };
    std::optional<double> cosine;
    if (std::ranges::none_of(rows, zero)) {
      cosine = mean_cosine(dim, rows.size(), [&](size_t r, double* row) {
        const double* mean = s.means.data() + rows[r] * dim;
        for (size_t j = 0; j < dim; ++j) row[j] = mean[j] - analysis.global_mean()[j];
      });
    }
    set_cosine(out, "minority.means_cosine", "centred mean", cosine);
  }
  if (const Classifier* classifier = analysis.classifier()) {
    set_cosine(out, "minority.classifier_cosine", "classifier row",
               mean_cosine(dim, rows.size(), [&](size_t r, double* row) {
                 std::copy_n(classifier->weight.data() + analysis.label(rows[r]) * dim, dim, row);
               }));
  } else {
    out.undefined("minority.classifier_cosine", "no classifier was given");
  }
}

}  // namespace ncscope::metrics
