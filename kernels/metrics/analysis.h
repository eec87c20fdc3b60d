// What several metrics share about one state, computed once, on first use.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kernels/decisions.h"
#include "kernels/device.h"
#include "kernels/metrics/between_spectrum.h"
#include "kernels/report.h"
#include "kernels/statistics.h"

namespace ncscope::metrics {

class Analysis {
 public:
  Analysis(Device& device, const Statistics& statistics, const Classifier* classifier,
           const DecisionCounts* decisions, const ReportOptions& options);

  Device& device() { return device_; }
  const Statistics& statistics() const { return statistics_; }
  const Classifier* classifier() const { return classifier_; }
  const DecisionCounts* decisions() const { return decisions_; }
  const ReportOptions& options() const { return options_; }

  size_t present() const { return statistics_.present(); }                 // P
  size_t dim() const { return statistics_.dim; }                           // d
  const std::vector<double>& weights() const { return weights_; }          // [P] 1/P or n_c/N
  const std::vector<double>& global_mean() const { return global_mean_; }  // [d] mu_G
  double within_trace() const;                                             // tr S_W
  double between_trace() const;                                            // tr S_B

  const DeviceMatrix& centered_means();             // M [P, d]
  const std::vector<double>& squared_mean_norms();  // [P] ||M_c||^2
  const DeviceMatrix& within_scatter();             // S_W [d, d]
  const BetweenSpectrum& between();                 // of S_B
  const PairSums& mean_pairs();                     // pairs of M; P >= 2
  const DeviceMatrix& present_weight();             // [P, d] rows of W of present classes

 private:
  Device& device_;
  const Statistics& statistics_;
  const Classifier* classifier_;
  const DecisionCounts* decisions_;
  ReportOptions options_;
  std::vector<double> weights_;
  std::vector<double> global_mean_;
  std::optional<DeviceMatrix> centered_means_;
  std::optional<std::vector<double>> squared_mean_norms_;
  std::optional<DeviceMatrix> within_scatter_;
  std::optional<BetweenSpectrum> between_;
  std::optional<PairSums> mean_pairs_;
  std::optional<DeviceMatrix> present_weight_;
};

}  // namespace ncscope::metrics
