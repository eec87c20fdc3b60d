// From state to report: runs every metric over one Statistics.
#pragma once

#include <string>
#include <string_view>

#include "kernels/classifier.h"
#include "kernels/decisions.h"
#include "kernels/device.h"
#include "kernels/evaluation.h"
#include "kernels/report_values.h"
#include "kernels/statistics.h"

namespace ncscope {

// Version of METRICS.md's definitions that the numbers follow.
inline constexpr const char* kDefinitionsVersion = "1";

// How classes weigh in mu_G and S_B: 1/P each, or n_c/N.
enum class Weighting { kUniform, kByCount };

// "uniform" or "by_count"; throws InvalidArgument naming the choices.
Weighting parse_weighting(std::string_view name);

// Which eigenvalues of S_W, S_B and S_T a report holds: none, the 64 leading ones, or all; kAuto is
// kLeading for each n x n matrix where it costs little beside the pass over the samples, n <= 256
// or N >= 64 d.
enum class Spectrum { kAuto, kNone, kLeading, kAll };

// "auto", "none", "leading" or "all"; throws InvalidArgument naming the choices.
Spectrum parse_spectrum(std::string_view name);

// Whose numbers a report holds beside its own (kernels/profiles).
enum class Profile { kDefault, kPapyan, kGeometric, kLinguistic, kRw };

// "default", "papyan", "geometric", "linguistic" or "rw"; throws InvalidArgument naming the
// choices.
Profile parse_profile(std::string_view name);
std::string_view profile_name(Profile profile);

struct ReportOptions {
  Weighting weighting = Weighting::kUniform;
  Spectrum spectrum = Spectrum::kAuto;
  bool standard_errors = false;     // of NC1, by add_standard_errors()
  bool exact_pairs = false;         // all pairs of classes, however many there are
  bool one_vs_rest_margin = false;  // of NC2, for up to 20,000 classes
  Profile profile = Profile::kDefault;

  bool operator==(const ReportOptions&) const = default;
};

// All metrics of the samples behind `statistics`. `classifier` and `decisions` may be null; what
// needs them is then undefined with a reason. `evaluation` is null for samples that were trained
// on. Throws InvalidArgument for N = 0 or where the shapes of the first three differ. Never throws
// for degenerate data: such metrics are undefined.
ReportValues compute_report(Device& device, const Statistics& statistics,
                            const Classifier* classifier, const DecisionCounts* decisions,
                            const ReportOptions& options, const Evaluation* evaluation = nullptr);

}  // namespace ncscope
