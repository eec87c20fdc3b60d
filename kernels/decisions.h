// The second look at the samples: how the classifier and the nearest class centre decide (NC4).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/batch.h"
#include "kernels/classifier.h"
#include "kernels/device.h"
#include "kernels/statistics.h"

namespace ncscope {

// Counts per class; those of two sets of samples add up.
struct DecisionCounts {
  // kCounted: by a classifier, by whoever had the samples.
  enum class Source { kNone, kClassifier, kPredictions, kCounted };

  Source source = Source::kNone;             // where the classifier's decisions came from
  uint32_t centers = 0;                      // P, the nearest-centre rule's choices
  std::vector<uint64_t> samples;             // [K]
  std::vector<uint64_t> agreement;           // [K] classifier = nearest centre; 0 without source
  std::vector<uint64_t> ncc_correct;         // [K] nearest centre = label
  std::vector<uint64_t> classifier_correct;  // [K] classifier = label; 0 without source

  // Adds `other`. One without samples takes on the other's source. Throws InvalidArgument if K, the
  // number of centres, or the sources differ.
  void add(const DecisionCounts& other);
  uint64_t total() const;  // samples of all classes
};

// Counts decisions of batches against fixed centres.
class DecisionCounter {
 public:
  // Centres are the means of `centers`, its absent classes left out, and both are scored about
  // their global mean, since float32 distances about a far origin are wrong. `classifier` may be
  // null; then predictions of the batches stand for its decisions. Throws InvalidArgument if there
  // are no centres or the shapes differ.
  DecisionCounter(Device& device, const Statistics& centers, const Classifier* classifier);

  // Counts the rows of a batch whose label is not kDroppedRow. Ties go to the lowest class. Throws
  // InvalidArgument if dim differs, if a label is not below K, or if some batches have predictions
  // and some have not (without a classifier).
  void add(Device& device, const Batch& batch);

  const DecisionCounts& counts() const { return counts_; }
  // Decisions that took no scores: the sample was near enough to its class mean.
  uint64_t known() const { return known_; }

 private:
  AffineScores nearest_scores() const { return {centers_, center_, center_offset_, true}; }
  AffineScores classifier_scores() const { return {weight_, {}, bias_}; }
  bool radii_pay(const Device& device) const;
  void find_radii(Device& device);
  // The decision of each row, -1 where none is known. Empty vectors where there are no radii.
  struct Known {
    std::vector<int32_t> nearest;
    std::vector<int32_t> classifier;
  };
  Known known_decisions(Device& device, const Batch& batch) const;
  std::vector<int32_t> decide(Device& device, const Batch& batch, const AffineScores& scores,
                              std::vector<int32_t> known);

  size_t dim_ = 0;
  bool has_classifier_ = false;
  bool seen_batch_ = false;
  std::vector<uint32_t> classes_;      // [P] label of each centre
  std::vector<double> center_;         // [d] mu_G
  DeviceMatrix centers_;               // [P, d] mu_c - mu_G
  std::vector<double> center_offset_;  // [P] -||mu_c - mu_G||^2 / 2
  DeviceMatrix weight_;                // [K, d]
  std::vector<double> bias_;           // [K]
  std::vector<int32_t> place_;         // [K] centre of a label; -1: none
  uint64_t samples_ = 0;               // of the centres
  uint64_t rows_seen_ = 0;
  std::vector<double> nearest_radius_;     // [P] of decision_radii; empty before it paid
  std::vector<double> classifier_radius_;  // [P] likewise
  uint64_t known_ = 0;
  DecisionCounts counts_;
};

}  // namespace ncscope
