#include "client/files/samples.h"

#include <algorithm>

#include "client/files/text.h"
#include "kernels/device_checks.h"
#include "kernels/errors.h"
#include "kernels/finite.h"

namespace ncscope::files {
namespace {

// Without a declared K, a stray label would otherwise ask for memory without bound.
constexpr uint64_t kAnyClasses = 1 << 16;

void require_rows(const std::string& name, uint64_t expected, uint64_t got) {
  if (expected == got) return;
  throw InvalidArgument(name + ": expected " + std::to_string(expected) +
                        " rows, as the features have, got " + std::to_string(got));
}

// Reads one array from all the places that hold it, which must agree.
std::vector<double> read_agreeing(const std::vector<ArrayPlace>& places, const char* what,
                                  std::vector<uint64_t>& shape, std::string& name) {
  std::vector<double> values;
  for (size_t i = 0; i < places.size(); ++i) {
    ArrayReader reader = places[i].open();
    std::vector<double> read = read_doubles(reader);
    if (i == 0) {
      values = std::move(read);
      shape = reader.shape();
      name = reader.name();
    } else if (shape != reader.shape() || values != read) {
      throw InvalidArgument(reader.name() + ": expected the same " + what + " as in " + name +
                            ", got another one");
    }
  }
  return values;
}

// The largest index among the rows; throws for the first that is not below `limit`.
int64_t largest_index(IndexReader reader, const char* what, uint64_t limit,
                      const int64_t* ignored) {
  constexpr size_t kBlockRows = 1 << 16;
  std::vector<int64_t> block;
  int64_t largest = -1;
  uint64_t row = 0;
  while (reader.read(kBlockRows, block) > 0) {
    for (const int64_t index : block) {
      if (ignored == nullptr || index != *ignored) {
        if (index < 0 || static_cast<uint64_t>(index) >= limit) {
          throw InvalidArgument(reader.name() + ": row " + std::to_string(row) + ": expected a " +
                                what + " in [0, " + std::to_string(limit) + "), got " +
                                std::to_string(index));
        }
        largest = std::max(largest, index);
      }
      ++row;
    }
  }
  return largest;
}

}  // namespace

void require_finite(const SampleBlock& block, const BatchSpec& spec) {
  const size_t width = dtype_size(spec.type);
  for (size_t r = 0; r < block.rows; ++r) {
    const std::byte* const row = block.features.data() + r * spec.dim * width;
    const size_t column = first_refused(spec.type, row, spec.dim);
    if (column == spec.dim || block.labels[r] == spec.ignore_index) continue;
    double value = 0;
    convert(spec.type, row + column * width, 1, &value);
    throw InvalidArgument(block.name + ": row " + std::to_string(block.first_row + r) +
                          ", column " + std::to_string(column) + ": expected " +
                          expected_features(spec.type) + ", got " + check::number_text(value));
  }
}

SampleSet::SampleSet(const SampleSources& sources) : places_(find_arrays(sources)) {
  std::string first_name;
  for (const ShardPlaces& shard : places_.shards) {
    const ArrayReader features = shard.features.open();
    const auto type = feature_type(features.type());
    if (!type) {
      throw InvalidArgument(features.name() + ": expected features of float16, float32 or " +
                            "float64, got " + features.type().name());
    }
    if (features.shape().size() != 2 || features.shape()[1] == 0) {
      throw InvalidArgument(features.name() + ": expected features of shape [N, d] with d >= 1, " +
                            "got " + shape_text(features.shape()));
    }
    const auto dim = static_cast<size_t>(features.row_elements());
    if (first_name.empty()) {
      first_name = features.name();
      dim_ = dim;
      type_ = *type;
    } else if (dim != dim_ || *type != type_) {
      throw InvalidArgument(features.name() + ": expected " + std::string(dtype_name(type_)) +
                            " features of d = " + std::to_string(dim_) + " as in " + first_name +
                            ", got " + std::string(dtype_name(*type)) +
                            " of d = " + std::to_string(dim));
    }
    const IndexReader labels(shard.labels.open(), "labels");
    require_rows(labels.name(), features.rows(), labels.rows());
    if (shard.predictions) {
      const IndexReader predictions(shard.predictions->open(), "predictions");
      require_rows(predictions.name(), features.rows(), predictions.rows());
    }
    samples_ += features.rows();
  }
  if (samples_ == 0) throw InvalidArgument(first_name + ": expected at least one sample, got none");
  read_classifier();
}

void SampleSet::read_classifier() {
  if (places_.weights.empty()) {
    if (places_.biases.empty()) return;
    throw InvalidArgument(places_.biases.front().open().name() +
                          ": expected a weight beside the bias, got none");
  }
  Classifier classifier;
  std::vector<uint64_t> shape;
  std::string name;
  classifier.weight = read_agreeing(places_.weights, "weight", shape, name);
  if (shape.size() != 2 || shape[0] == 0 || shape[1] != dim_) {
    throw InvalidArgument(name + ": expected a weight of shape [K, " + std::to_string(dim_) +
                          "], got " + shape_text(shape));
  }
  classifier.num_classes = static_cast<size_t>(shape[0]);
  classifier.dim = dim_;
  if (!places_.biases.empty()) {
    std::string bias_name;
    classifier.bias = read_agreeing(places_.biases, "bias", shape, bias_name);
    if (shape.size() != 1 || shape[0] != classifier.num_classes) {
      throw InvalidArgument(bias_name + ": expected a bias of shape [" +
                            std::to_string(classifier.num_classes) + "], got " + shape_text(shape));
    }
  }
  try {
    classifier.check();
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(name + ": " + error.what());
  }
  classifier_ = std::move(classifier);
}

size_t SampleSet::check_labels(std::optional<size_t> num_classes, int64_t ignore_index) const {
  if (num_classes && classifier_ && *num_classes != classifier_->num_classes) {
    throw InvalidArgument(places_.weights.front().open().name() + ": expected a weight of " +
                          std::to_string(*num_classes) + " rows, one for each class, got " +
                          std::to_string(classifier_->num_classes));
  }
  if (!num_classes && classifier_) num_classes = classifier_->num_classes;
  const uint64_t limit = num_classes.value_or(uint64_t{1} << 31);
  int64_t largest = -1;
  for (const ShardPlaces& shard : places_.shards) {
    largest = std::max(largest, largest_index(IndexReader(shard.labels.open(), "labels"), "label",
                                              limit, &ignore_index));
    if (!shard.predictions) continue;
    largest = std::max(largest, largest_index(IndexReader(shard.predictions->open(), "predictions"),
                                              "prediction", limit, nullptr));
  }
  if (num_classes) return *num_classes;
  const auto classes = static_cast<uint64_t>(largest + 1);
  if (classes > kAnyClasses && classes > samples_) {
    throw InvalidArgument("the largest label is " + std::to_string(largest) + " among " +
                          std::to_string(samples_) +
                          " samples; expected the number of classes to be given for that many");
  }
  return std::max<size_t>(1, static_cast<size_t>(classes));
}

SampleReader::SampleReader(const SampleSet& set, size_t block_rows)
    : set_(set), block_rows_(std::max<size_t>(1, block_rows)) {}

bool SampleReader::open_shard() {
  const auto& shards = set_.places().shards;
  if (next_shard_ == shards.size()) return false;
  const ShardPlaces& shard = shards[next_shard_++];
  next_row_ = 0;
  features_.emplace(shard.features.open());
  labels_.emplace(shard.labels.open(), "labels");
  predictions_.reset();
  if (shard.predictions) predictions_.emplace(shard.predictions->open(), "predictions");
  // A file that changed since the set was opened must not be read past its buffers.
  if (features_->row_elements() != set_.dim() || feature_type(features_->type()) != set_.type()) {
    throw DataLoss(features_->name() + ": changed while it was read");
  }
  require_rows(labels_->name(), features_->rows(), labels_->rows());
  if (predictions_) require_rows(predictions_->name(), features_->rows(), predictions_->rows());
  return true;
}

bool SampleReader::next(SampleBlock& block) {
  while (!features_ || next_row_ == features_->rows()) {
    if (!open_shard()) return false;
  }
  const auto rows =
      static_cast<size_t>(std::min<uint64_t>(block_rows_, features_->rows() - next_row_));
  block.name = features_->name();
  block.first_row = next_row_;
  block.rows = rows;
  block.features.resize(rows * features_->row_bytes());
  features_->read_rows(rows, block.features.data());
  labels_->read(rows, block.labels);
  block.predictions.clear();
  if (predictions_) predictions_->read(rows, block.predictions);
  next_row_ += rows;
  return true;
}

}  // namespace ncscope::files
