// nc1.pinv = tr(S_W S_B^+) / P (Papyan, Han, Donoho, arXiv 2008.08186), and what its evaluation
// says of S_B: rank, cutoff, condition, outside_span.
#include <algorithm>
#include <cmath>

#include "kernels/errors.h"
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/resolution.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

// Of a share, absolute.
constexpr double kMarkedShare = 0x1p-14;

double scatter_trace(const Statistics& s) {
  double trace = 0;
  for (size_t j = 0; j < s.dim; ++j) trace += s.scatter[j * s.dim + j];
  return trace / static_cast<double>(s.samples);
}

void set_pinv(Analysis& analysis, ReportValues& out) {
  const BetweenSpectrum& between = analysis.between();
  if (between.pinv_trace < 0) {
    out.undefined("nc1.pinv",
                  "S_W within the span of the class means is below what its products resolve");
    return;
  }
  const auto present = static_cast<double>(analysis.present());
  out.set("nc1.pinv", between.pinv_trace / present);
  // tr(E S_B^+) of the rounding E of S_W.
  const double error = scatter_error(analysis.statistics()) * between.inverse_trace;
  if (error <= kMarked * between.pinv_trace) return;
  out.warn("pinv_resolution", uncertain(analysis.statistics(), "nc1.pinv", error / present));
}

// Share of tr S_W outside span(S_B), both traces of the same scatter matrix.
void set_outside_span(Analysis& analysis, ReportValues& out) {
  const Statistics& s = analysis.statistics();
  const double trace = scatter_trace(s);
  if (trace <= 0) {
    out.undefined("nc1.outside_span", "S_W is zero");
  } else if (analysis.between().rank == s.dim) {
    out.set("nc1.outside_span", 0);
  } else {
    out.set("nc1.outside_span", std::clamp(1 - analysis.between().span_trace / trace, 0.0, 1.0));
    const double error =
        scatter_error(s) * std::sqrt(static_cast<double>(analysis.between().rank)) / trace;
    if (error <= kMarkedShare) return;
    out.warn("outside_span_resolution", uncertain(s, "nc1.outside_span", error));
  }
}

void warn_if_rank_deficient(Analysis& analysis, ReportValues& out) {
  const size_t full = std::min(analysis.present() - 1, analysis.dim());
  const size_t rank = analysis.between().rank;
  if (rank == full) return;
  out.warn("rank_deficient", "S_B has rank " + std::to_string(rank) + "; the means of " +
                                 std::to_string(analysis.present()) + " classes in " +
                                 std::to_string(analysis.dim()) + " dimensions can have " +
                                 std::to_string(full) +
                                 ". nc1.pinv is over the eigenvalues above nc1.cutoff");
}

}  // namespace

void nc1_pinv(Analysis& analysis, ReportValues& out) {
  if (const auto& reason = analysis.no_between()) {
    undefined_fields(out, "nc1", {"pinv", "cutoff", "condition", "outside_span"}, *reason);
    if (analysis.present() < 2) {
      out.undefined("nc1.rank", *reason);
    } else {
      out.set_integer("nc1.rank", 0);
      out.warn("rank_deficient", "S_B has rank 0: " + *reason);
    }
    return;
  }
  try {
    analysis.between();
  } catch (const NumericalError& error) {
    undefined_fields(out, "nc1", {"pinv", "rank", "cutoff", "condition", "outside_span"},
                     error.what());
    return;
  }
  const BetweenSpectrum& between = analysis.between();
  out.set_integer("nc1.rank", between.rank);
  out.set("nc1.cutoff", between.cutoff);
  warn_if_rank_deficient(analysis, out);
  if (between.rank == 0) {
    undefined_fields(out, "nc1", {"pinv", "condition", "outside_span"},
                     "the class means differ by no more than their rounding");
    return;
  }
  out.set("nc1.condition", between.largest / between.smallest);
  if (const auto& reason = analysis.no_within()) {
    undefined_fields(out, "nc1", {"pinv", "outside_span"}, *reason);
    return;
  }
  set_pinv(analysis, out);
  set_outside_span(analysis, out);
}

}  // namespace ncscope::metrics
