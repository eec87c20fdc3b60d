#include "kernels/decisions.h"

#include <numeric>
#include <span>

#include "kernels/errors.h"
#include "kernels/metrics/class_weights.h"

namespace ncscope {
namespace {

using Source = DecisionCounts::Source;

void add_counts(std::vector<uint64_t>& to, const std::vector<uint64_t>& from) {
  for (size_t c = 0; c < to.size(); ++c) to[c] += from[c];
}

}  // namespace

uint64_t DecisionCounts::total() const {
  return std::accumulate(samples.begin(), samples.end(), uint64_t{0});
}

void DecisionCounts::add(const DecisionCounts& other) {
  if (samples.size() != other.samples.size() || centers != other.centers) {
    throw InvalidArgument("decisions: expected counts over " + std::to_string(samples.size()) +
                          " classes and " + std::to_string(centers) + " centres, got " +
                          std::to_string(other.samples.size()) + " classes and " +
                          std::to_string(other.centers) + " centres");
  }
  if (other.total() == 0) return;
  if (total() == 0) source = other.source;
  if (source != other.source) {
    throw InvalidArgument(
        "decisions: some come from a classifier, some from predictions or from none");
  }
  add_counts(samples, other.samples);
  add_counts(agreement, other.agreement);
  add_counts(ncc_correct, other.ncc_correct);
  add_counts(classifier_correct, other.classifier_correct);
}

DecisionCounter::DecisionCounter(Device& device, const Statistics& centers,
                                 const Classifier* classifier)
    : dim_(centers.dim), has_classifier_(classifier != nullptr), classes_(centers.classes) {
  if (classes_.empty()) throw InvalidArgument("decisions: there are no class centres");
  const size_t num_classes = centers.num_classes;
  const ConstMatrix means(centers.means.data(), centers.present(), dim_);
  center_ = metrics::weighted_mean(means, metrics::class_weights(centers, Weighting::kUniform));
  centers_ = device.upload(means);
  device.subtract_row(centers_, center_);
  center_offset_ = device.row_dots(centers_, centers_);
  for (double& offset : center_offset_) offset *= -0.5;
  if (has_classifier_) {
    classifier->check();
    if (classifier->num_classes != num_classes || classifier->dim != dim_) {
      throw InvalidArgument("decisions: expected a classifier of " + std::to_string(num_classes) +
                            " classes in " + std::to_string(dim_) + " dimensions, got " +
                            std::to_string(classifier->num_classes) + " classes in " +
                            std::to_string(classifier->dim));
    }
    weight_ = device.upload({classifier->weight.data(), num_classes, dim_});
    bias_ = classifier->bias.empty() ? std::vector<double>(num_classes, 0.0) : classifier->bias;
    counts_.source = Source::kClassifier;
  }
  counts_.centers = static_cast<uint32_t>(classes_.size());
  counts_.samples.assign(num_classes, 0);
  counts_.agreement.assign(num_classes, 0);
  counts_.ncc_correct.assign(num_classes, 0);
  counts_.classifier_correct.assign(num_classes, 0);
}

void DecisionCounter::add(Device& device, const Batch& batch) {
  if (batch.dim != dim_) {
    throw InvalidArgument("decisions: expected features of " + std::to_string(dim_) +
                          " dimensions, got " + std::to_string(batch.dim));
  }
  if (batch.rows == 0) return;
  const auto num_classes = static_cast<int64_t>(counts_.samples.size());
  for (size_t i = 0; i < batch.rows; ++i) {
    if (batch.labels[i] >= num_classes) {
      throw InvalidArgument("decisions: row " + std::to_string(i) + " has label " +
                            std::to_string(batch.labels[i]) + ", expected one below " +
                            std::to_string(num_classes));
    }
  }
  if (!has_classifier_) {
    const Source source = batch.predictions != nullptr ? Source::kPredictions : Source::kNone;
    if (seen_batch_ && source != counts_.source) {
      throw InvalidArgument("decisions: some batches have predictions and some have not");
    }
    counts_.source = source;
  }
  seen_batch_ = true;

  const std::vector<int32_t> nearest =
      device.argmax_affine(batch, {centers_, center_, center_offset_, true});
  std::vector<int32_t> scored;
  if (has_classifier_) scored = device.argmax_affine(batch, {weight_, {}, bias_});
  const int32_t* decided = has_classifier_ ? scored.data() : batch.predictions;

  for (size_t i = 0; i < batch.rows; ++i) {
    const int32_t label = batch.labels[i];
    if (label < 0) continue;
    const auto center = static_cast<int32_t>(classes_[static_cast<size_t>(nearest[i])]);
    counts_.samples[label] += 1;
    counts_.ncc_correct[label] += center == label;
    if (decided == nullptr) continue;
    counts_.agreement[label] += decided[i] == center;
    counts_.classifier_correct[label] += decided[i] == label;
  }
}

}  // namespace ncscope
