// One data set, in one file or in several: features, labels, predictions, and the classifier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/files/sample_sources.h"
#include "client/files/values.h"
#include "kernels/admission.h"
#include "kernels/classifier.h"
#include "kernels/dtype.h"

namespace ncscope::files {

// Some consecutive rows of one shard.
struct SampleBlock {
  std::string name;        // of the features, for messages
  uint64_t first_row = 0;  // within the shard
  size_t rows = 0;
  std::vector<std::byte> features;   // [rows, d] row-major little-endian
  std::vector<int64_t> labels;       // [rows]
  std::vector<int64_t> predictions;  // [rows], or empty
};

// Throws InvalidArgument, naming file, row and column of the first feature that is not taken
// (kernels/finite.h), in rows whose label is not to be ignored.
void require_finite(const SampleBlock& block, const BatchSpec& spec);

// Reads the classifier at once, and nothing of the samples but their headers.
class SampleSet {
 public:
  // Throws InvalidArgument where shapes or types of the arrays do not fit each other, or where two
  // files hold different classifiers.
  explicit SampleSet(const SampleSources& sources);

  size_t dim() const { return dim_; }
  DType type() const { return type_; }
  uint64_t samples() const { return samples_; }
  bool has_predictions() const { return places_.shards.front().predictions.has_value(); }
  const std::optional<Classifier>& classifier() const { return classifier_; }
  const SamplePlaces& places() const { return places_; }

  // Checks every label and prediction, naming file, row and value of the first that is not in
  // [0, K), where K is `num_classes`, else the rows of the weight, else the largest index + 1.
  // Labels equal to `ignore_index` may be anything. Returns K.
  size_t check_labels(std::optional<size_t> num_classes, int64_t ignore_index) const;

 private:
  void read_classifier();

  SamplePlaces places_;
  size_t dim_ = 0;
  DType type_ = DType::kFloat32;
  uint64_t samples_ = 0;
  std::optional<Classifier> classifier_;
};

// Reads a data set once, in order, in blocks of at most `block_rows` rows. Blocks are the same on
// every pass.
class SampleReader {
 public:
  SampleReader(const SampleSet& set, size_t block_rows);

  // False at the end.
  bool next(SampleBlock& block);

 private:
  bool open_shard();

  const SampleSet& set_;
  size_t block_rows_;
  size_t next_shard_ = 0;
  uint64_t next_row_ = 0;
  std::optional<ArrayReader> features_;
  std::optional<IndexReader> labels_;
  std::optional<IndexReader> predictions_;
};

}  // namespace ncscope::files
