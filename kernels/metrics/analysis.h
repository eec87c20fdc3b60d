// What several metrics share about one state. What costs more than O(Kd) is computed on first use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/decisions.h"
#include "kernels/device.h"
#include "kernels/metrics/between_spectrum.h"
#include "kernels/metrics/duality.h"
#include "kernels/metrics/pair_sample.h"
#include "kernels/report.h"
#include "kernels/statistics.h"

namespace ncscope::metrics {

class Analysis {
 public:
  // The pointers may be null; what they point to must outlive the analysis. Needs N > 0.
  Analysis(Device& device, const Statistics& statistics, const Classifier* classifier,
           const DecisionCounts* decisions, const ReportOptions& options,
           const Evaluation* evaluation = nullptr);

  Device& device() { return device_; }
  const Statistics& statistics() const { return statistics_; }
  const Classifier* classifier() const { return classifier_; }
  const DecisionCounts* decisions() const { return decisions_; }
  const Evaluation* evaluation() const { return evaluation_; }  // null for what was trained on
  const ReportOptions& options() const { return options_; }

  Spectrum spectrum() const { return options_.spectrum; }  // which eigenvalues are asked for
  bool exact_pairs() const { return options_.exact_pairs; }
  bool one_vs_rest_margin() const { return options_.one_vs_rest_margin; }

  size_t present() const { return statistics_.present(); }               // P
  size_t dim() const { return statistics_.dim; }                         // d
  uint32_t label(size_t row) const { return statistics_.classes[row]; }  // class of a row of M

  const std::vector<double>& global_mean() const { return global_mean_; }            // [d] mu_G
  const std::vector<double>& within_variances() const { return within_variances_; }  // [P] v_c
  const std::vector<double>& raw_mean_norms() const { return raw_mean_norms_; }      // [P] ||mu_c||
  double within_trace() const { return within_trace_; }                              // tr S_W
  double between_trace() const { return between_trace_; }                            // tr S_B

  const DeviceMatrix& centered_means() const { return centered_means_; }                 // M [P, d]
  const std::vector<double>& squared_mean_norms() const { return squared_mean_norms_; }  // of M
  const std::vector<bool>& zero_means() const { return zero_means_; }  // [P] M_c = 0, to rounding
  const std::vector<double>& root_weights() const { return root_weights_; }  // [P] sqrt(w_c)
  double mean_noise() const { return mean_noise_; }  // mean square rounding error of M's rows
  double mean_etf_inner() const { return mean_etf_inner_; }  // <MM^T, E>; 0 for P < 2

  // Why metrics between classes have no value here: fewer than two classes, or means all equal.
  const std::optional<std::string>& no_between() const { return no_between_; }
  // Why metrics of the spread within classes have none: every class has a single sample.
  const std::optional<std::string>& no_within() const { return no_within_; }

  const BetweenSpectrum& between();   // of S_B; throws where no_between()
  const PairMetrics& mean_pairs();    // of the rows of M; throws for P < 2
  PairInput mean_pair_input() const;  // the rows of M, without their products
  CenteredRows host_means() const;    // the rows of M in host memory

  // These need a classifier.
  const Duality& duality();
  const std::vector<double>& weight_mean();  // [d] mean row of W, all K of them
  ConstMatrix present_weight();              // [P, d] rows of W of present classes, host

 private:
  void center_means();

  Device& device_;
  const Statistics& statistics_;
  const Classifier* classifier_;
  const DecisionCounts* decisions_;
  const Evaluation* evaluation_;
  ReportOptions options_;
  std::vector<double> weights_;  // [P] 1/P or n_c/N
  std::vector<double> root_weights_;
  std::vector<double> global_mean_;
  std::vector<double> within_variances_;
  std::vector<double> raw_mean_norms_;
  std::vector<double> mean_resolution_;  // [P] rounding error of mu_c, as a length
  double mean_noise_ = 0;
  double within_trace_ = 0;
  double between_trace_ = 0;
  DeviceMatrix centered_means_;
  std::vector<double> squared_mean_norms_;
  std::vector<bool> zero_means_;
  double mean_etf_inner_ = 0;
  std::optional<std::string> no_between_;
  std::optional<std::string> no_within_;
  std::optional<BetweenSpectrum> between_;
  std::optional<PairMetrics> mean_pairs_;
  DeviceMatrix mean_products_;  // MM^T where P - 1 <= d, from mean_pairs() to between()
  std::optional<Duality> duality_;
  std::vector<double> weight_mean_;
  std::vector<double> present_weight_;  // where some class is absent
};

}  // namespace ncscope::metrics
