// rw: the public package neural-collapse, by the names of its README's example. mu_G is the mean of
// the class means; the variance over classes has P - 1 below, those over pairs their number.
#include <algorithm>

#include "kernels/metrics/orthogonality.h"
#include "kernels/profiles/profiles.h"

namespace ncscope::profiles {
namespace {

// The truncated SVD inverts P - 1 eigenvalues, whatever they are.
void set_svd(Numbers& numbers) {
  constexpr std::string_view kName = "nc1_svd";
  constexpr std::string_view kFormula = "tr(S_W S_B^+) / P by the P - 1 largest eigenvalues of S_B";
  const size_t directions = numbers.analysis().present() - 1;
  const auto rank = numbers.metric("nc1.rank");
  if (!rank || *rank >= static_cast<double>(directions) || !numbers.metric("nc1.pinv")) {
    return numbers.take(kName, kFormula, "nc1.pinv");
  }
  numbers.undefined(kName, kFormula,
                    "S_B has rank " + std::to_string(static_cast<size_t>(*rank)) + ", fewer than " +
                        std::to_string(directions) + " eigenvalues to invert");
}

void set_uniform_duality(Numbers& numbers) {
  constexpr std::string_view kFormula = "sample variance over c of <w_c, M_c>";
  metrics::Analysis& analysis = numbers.analysis();
  if (const auto reason = why_no_duality(analysis)) {
    numbers.undefined("nc3u_uni_dual", kFormula, *reason);
  } else {
    numbers.set("nc3u_uni_dual", kFormula, sample_variance(analysis.duality().dots));
  }
}

void set_rw_agreement(Numbers& numbers) {
  constexpr std::string_view kFormula = "share of samples with argmax(Wh) = argmin_c ||h - mu_c||";
  const UnbiasedAgreement found = unbiased_agreement(numbers, numbers.analysis());
  if (found.reason.empty()) {
    numbers.set("nc4_agree", kFormula,
                static_cast<double>(found.agreeing) / static_cast<double>(found.samples));
  } else {
    numbers.undefined("nc4_agree", kFormula, found.reason);
  }
}

void set_deviation(Numbers& numbers) {
  constexpr std::string_view kFormula =
      "mean over train classes of |cos(mu_c, mu_G(ood))|, mu_G uniform";
  const Evaluation* evaluation = numbers.analysis().evaluation();
  if (evaluation == nullptr || !evaluation->out_of_distribution) {
    return numbers.undefined("nc5_ood_dev", kFormula,
                             "it is in the reports of out-of-distribution splits (ood...)");
  }
  const auto found = metrics::orthogonality(numbers.analysis(), Weighting::kUniform);
  if (found.value) {
    numbers.set("nc5_ood_dev", kFormula, *found.value);
  } else {
    numbers.undefined("nc5_ood_dev", kFormula, found.reason);
  }
}

}  // namespace

void rw(Numbers& numbers) {
  numbers.take("nc1_pinv", "tr(S_W S_B^+) / P", "nc1.pinv");
  set_svd(numbers);
  numbers.take("nc1_quot", "tr S_W / tr S_B", "nc1.quotient");
  numbers.take("nc1_cdnv", "mean over pairs of (v_c + v_c') / (2 ||mu_c - mu_c'||^2)", "nc1.cdnv",
               1, "nc1.cdnv_sampling_error");
  numbers.take("nc2_etf_err", "|| MM^T/||MM^T||_F - E ||_F", "nc2.means.etf_error");
  numbers.take("nc2g_dist", "variance over pairs of ||u - u'||, u = M_c/||M_c||",
               "nc2.means.uniformity_distance_var");
  numbers.take("nc2g_log", "variance over pairs of log(1/||u - u'||)",
               "nc2.means.uniformity_log_var");
  numbers.take("nc3_dual_err", "|| WM^T/||WM^T||_F - E ||_F", "nc3.structure_error");
  set_uniform_duality(numbers);
  set_rw_agreement(numbers);
  set_deviation(numbers);
}

}  // namespace ncscope::profiles
