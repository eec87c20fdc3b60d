#include "kernels/decisions.h"

#include <cstring>
#include <numeric>
#include <span>

#include "kernels/decision_radii.h"
#include "kernels/errors.h"
#include "kernels/metrics/class_weights.h"

namespace ncscope {
namespace {

using Source = DecisionCounts::Source;

// Radii cost as much as the scores of some three samples per class, and are only taken where there
// are many more, and the sweep over pairs of classes is within the budget of the device.
constexpr uint64_t kSamplesPerClass = 16;

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
  place_.assign(num_classes, -1);
  for (size_t p = 0; p < classes_.size(); ++p) place_[classes_[p]] = static_cast<int32_t>(p);
  samples_ = centers.samples;
  counts_.centers = static_cast<uint32_t>(classes_.size());
  counts_.samples.assign(num_classes, 0);
  counts_.agreement.assign(num_classes, 0);
  counts_.ncc_correct.assign(num_classes, 0);
  counts_.classifier_correct.assign(num_classes, 0);
}

// A test set may be small: its samples come first.
bool DecisionCounter::radii_pay(const Device& device) const {
  const uint64_t scored = std::max<uint64_t>(classes_.size(), counts_.samples.size());
  const auto p = static_cast<double>(classes_.size());
  return rows_seen_ >= scored && samples_ >= kSamplesPerClass * scored &&
         p * static_cast<double>(scored) * static_cast<double>(dim_) / 2 <= device.pair_budget();
}

void DecisionCounter::find_radii(Device& device) {
  std::vector<uint32_t> places(classes_.size());
  std::iota(places.begin(), places.end(), 0);
  nearest_radius_ = decision_radii(device, nearest_scores(), {centers_, center_, places});
  if (!has_classifier_) return;
  classifier_radius_ = decision_radii(device, classifier_scores(), {centers_, center_, classes_});
}

DecisionCounter::Known DecisionCounter::known_decisions(Device& device, const Batch& batch) const {
  Known known;
  if (nearest_radius_.empty()) return known;
  std::vector<int32_t> places(batch.rows, -1);
  for (size_t i = 0; i < batch.rows; ++i) {
    if (batch.labels[i] >= 0) places[i] = place_[static_cast<size_t>(batch.labels[i])];
  }
  const std::vector<double> distances = device.point_distances(batch, {centers_, center_, places});
  const auto decide_near = [&](const std::vector<double>& radius, std::vector<int32_t>& out) {
    if (radius.empty()) return;
    out.assign(batch.rows, -1);
    for (size_t i = 0; i < batch.rows; ++i) {
      if (places[i] < 0 || !(distances[i] < radius[static_cast<size_t>(places[i])])) continue;
      out[i] = places[i];
    }
  };
  decide_near(nearest_radius_, known.nearest);
  decide_near(classifier_radius_, known.classifier);
  for (int32_t& place : known.classifier) {
    if (place >= 0) place = static_cast<int32_t>(classes_[static_cast<size_t>(place)]);
  }
  return known;
}

// Scores the rows that are not known, side by side.
std::vector<int32_t> DecisionCounter::decide(Device& device, const Batch& batch,
                                             const AffineScores& scores,
                                             std::vector<int32_t> known) {
  if (known.empty()) return device.argmax_affine(batch, scores);
  std::vector<size_t> unknown;
  for (size_t i = 0; i < batch.rows; ++i) {
    if (batch.labels[i] < 0) continue;
    if (known[i] < 0)
      unknown.push_back(i);
    else
      ++known_;
  }
  if (unknown.size() == batch.rows) return device.argmax_affine(batch, scores);
  const size_t row_bytes = dim_ * dtype_size(batch.type);
  const auto* const features = static_cast<const std::byte*>(batch.features);
  std::vector<std::byte> gathered(unknown.size() * row_bytes);
  for (size_t u = 0; u < unknown.size(); ++u) {
    std::memcpy(gathered.data() + u * row_bytes, features + unknown[u] * row_bytes, row_bytes);
  }
  const Batch rest{gathered.data(), batch.type, unknown.size(), dim_};
  const std::vector<int32_t> decided = device.argmax_affine(rest, scores);
  for (size_t u = 0; u < unknown.size(); ++u) known[unknown[u]] = decided[u];
  return known;
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

  rows_seen_ += batch.rows;
  if (nearest_radius_.empty() && radii_pay(device)) find_radii(device);
  Known known = known_decisions(device, batch);
  const std::vector<int32_t> nearest =
      decide(device, batch, nearest_scores(), std::move(known.nearest));
  std::vector<int32_t> scored;
  if (has_classifier_) {
    scored = decide(device, batch, classifier_scores(), std::move(known.classifier));
  }
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
