#include "kernels/metrics/analysis.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "kernels/metrics/class_weights.h"
#include "kernels/metrics/etf.h"
#include "kernels/metrics/vector_stats.h"

namespace ncscope::metrics {

Analysis::Analysis(Device& device, const Statistics& statistics, const Classifier* classifier,
                   const DecisionCounts* decisions, const ReportOptions& options,
                   const Evaluation* evaluation)
    : device_(device),
      statistics_(statistics),
      classifier_(classifier),
      decisions_(decisions),
      evaluation_(evaluation),
      options_(options),
      weights_(class_weights(statistics, options.weighting)),
      global_mean_(weighted_mean({statistics.means.data(), statistics.present(), statistics.dim},
                                 weights_)) {
  for (const double weight : weights_) root_weights_.push_back(std::sqrt(weight));
  for (size_t c = 0; c < present(); ++c) {
    within_trace_ += statistics.within[c] / static_cast<double>(statistics.samples);
    within_variances_.push_back(statistics.within[c] / static_cast<double>(statistics.counts[c]));
    raw_mean_norms_.push_back(norm_of({statistics.means.data() + c * dim(), dim()}));
    // A mean is rounded relative to the size of the samples that it is the mean of.
    mean_resolution_.push_back(kVectorRounding *
                               std::hypot(raw_mean_norms_[c], std::sqrt(within_variances_[c])));
  }
  center_means();
  if (present() < 2) {
    no_between_ = "fewer than two classes are present";
  } else if (const double apart =
                 largest_deviation({statistics.means.data(), present(), dim()}, global_mean_);
             apart > 0 && apart < kSmallestDeviation) {
    no_between_ = "the class means differ by less than 2^-220, whose powers underflow";
  } else if (std::ranges::all_of(zero_means_, std::identity())) {
    no_between_ = "all class means are equal";
  }
  if (statistics.samples == present()) {
    no_within_ = "there is no within-class freedom: every present class has a single sample";
  }
}

void Analysis::center_means() {
  centered_means_ = device_.upload({statistics_.means.data(), present(), dim()});
  device_.subtract_row(centered_means_, global_mean_);
  squared_mean_norms_ = device_.row_dots(centered_means_, centered_means_);
  const double center_resolution = kVectorRounding * norm_of(global_mean_);
  for (size_t c = 0; c < present(); ++c) {
    between_trace_ += weights_[c] * squared_mean_norms_[c];
    const double resolution = mean_resolution_[c] + center_resolution;
    zero_means_.push_back(std::sqrt(squared_mean_norms_[c]) <= resolution);
    mean_noise_ += weights_[c] * resolution * resolution;
  }
  if (present() >= 2) mean_etf_inner_ = etf_inner(device_, centered_means_, squared_mean_norms_);
}

const BetweenSpectrum& Analysis::between() {
  if (!between_) {
    mean_pairs();
    between_ = between_spectrum(
        device_, centered_means_, weights_, {statistics_.scatter.data(), dim(), dim()},
        static_cast<double>(statistics_.samples), mean_noise_, std::move(mean_products_));
  }
  return *between_;
}

PairInput Analysis::mean_pair_input() const {
  PairInput input;
  input.rows = centered_means_;
  input.squared_norms = squared_mean_norms_;
  input.within_variances = within_variances_;
  input.resolution = mean_resolution_;
  input.etf_scale = mean_etf_inner_;
  return input;
}

CenteredRows Analysis::host_means() const {
  return {{statistics_.means.data(), present(), dim()}, global_mean_};
}

const PairMetrics& Analysis::mean_pairs() {
  if (!mean_pairs_) {
    PairInput input = mean_pair_input();
    mean_products_ = small_products(device_, centered_means_);
    input.products = mean_products_;
    mean_pairs_ = pair_metrics(device_, host_means(), input, options_.exact_pairs);
  }
  return *mean_pairs_;
}

const Duality& Analysis::duality() {
  if (!duality_) {
    duality_ =
        duality_of(device_, present_weight(), centered_means_, squared_mean_norms_, zero_means_);
  }
  return *duality_;
}

const std::vector<double>& Analysis::weight_mean() {
  if (weight_mean_.empty()) {
    const size_t rows = classifier_->num_classes;
    const std::vector<double> equal(rows, 1.0 / static_cast<double>(rows));
    weight_mean_ = weighted_mean({classifier_->weight.data(), rows, dim()}, equal);
  }
  return weight_mean_;
}

ConstMatrix Analysis::present_weight() {
  const std::vector<double>& weight = classifier_->weight;
  if (present() == classifier_->num_classes) return {weight.data(), present(), dim()};
  if (present_weight_.empty()) {
    present_weight_.reserve(present() * dim());
    for (const uint32_t label : statistics_.classes) {
      const double* row = weight.data() + label * dim();
      present_weight_.insert(present_weight_.end(), row, row + dim());
    }
  }
  return {present_weight_.data(), present(), dim()};
}

}  // namespace ncscope::metrics
