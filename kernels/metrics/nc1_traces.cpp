// nc1.within_trace, between_trace, total_trace; nc1.quotient = tr S_W / tr S_B (arXiv 2210.16658);
// nc1.precision_floor, the smallest quotient that the input type resolves: rounding a feature h to
// a type of spacing eps adds a variance of about (eps h)^2 / 12.
#include "kernels/metrics/metrics.h"
#include "kernels/metrics/resolution.h"
#include "kernels/metrics/undefined.h"

namespace ncscope::metrics {
namespace {

// Where the rounding of the features on arrival is more than a little of the spread.
void warn_if_below_input(double quotient, double floor, DType type, ReportValues& out) {
  if (floor <= kMarked * quotient) return;
  out.warn("input_precision", "rounding to " + std::string(dtype_name(type)) +
                                  " alone makes nc1.quotient about " + brief(floor) +
                                  " (precision_floor): spread within classes is not resolved");
}

}  // namespace

void nc1_traces(Analysis& analysis, ReportValues& out) {
  const auto& no_within = analysis.no_within();
  const auto& no_between = analysis.no_between();
  if (no_within) {
    out.undefined("nc1.within_trace", *no_within);
  } else {
    out.set("nc1.within_trace", analysis.within_trace());
  }
  if (analysis.present() < 2) {
    undefined_fields(out, "nc1", {"between_trace"}, *no_between);
  } else {
    out.set("nc1.between_trace", analysis.between_trace());
  }
  if (no_within || analysis.present() < 2) {
    out.undefined("nc1.total_trace", no_within ? *no_within : *no_between);
  } else {
    out.set("nc1.total_trace", analysis.within_trace() + analysis.between_trace());
  }
  if (no_within || no_between) {
    out.undefined("nc1.quotient", no_between ? *no_between : *no_within);
  } else {
    out.set("nc1.quotient", analysis.within_trace() / analysis.between_trace());
  }
  if (no_between) {
    out.undefined("nc1.precision_floor", *no_between);
  } else {
    const Statistics& s = analysis.statistics();
    const double eps = dtype_epsilon(s.input_type);
    // d rms(h)^2 is the mean of ||h||^2.
    const double mean_square = s.sum_squares / static_cast<double>(s.samples);
    const double floor = eps * eps * mean_square / 12 / analysis.between_trace();
    out.set("nc1.precision_floor", floor);
    if (!no_within) {
      warn_if_below_input(analysis.within_trace() / analysis.between_trace(), floor, s.input_type,
                          out);
    }
  }
}

}  // namespace ncscope::metrics
