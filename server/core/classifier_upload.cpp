#include "server/core/classifier_upload.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "kernels/finite.h"
#include "proto/convert/crc32c.h"
#include "server/core/errors.h"

namespace ncscope::server {
namespace {

const char* array_name(ClassifierArray array) {
  return array == ClassifierArray::kWeight ? "weight" : "bias";
}

std::string chunk_text(const char* name) { return std::string("classifier ") + name + ": "; }

[[noreturn]] void refuse_different(ClassifierArray array, uint32_t sender, uint32_t rank) {
  throw AlreadyExists(chunk_text(array_name(array)) + "expected the values that rank " +
                      std::to_string(sender) + " sent" +
                      (sender == rank ? ", which another rank has sent too" : "") +
                      ", got different ones from rank " + std::to_string(rank));
}

}  // namespace

uint32_t classifier_digest(const std::vector<double>& values) {
  return crc32c(values.data(), values.size() * sizeof(double));
}

ClassifierUpload::ClassifierUpload(size_t num_classes, size_t dim, DType features,
                                   MemoryBudget& budget)
    : features_(features), budget_(&budget) {
  arrays_[0] = {.name = "weight", .expected = num_classes * dim, .values = {}};
  arrays_[1] = {.name = "bias", .expected = num_classes, .values = {}};
}

std::optional<ClassifierValues> ClassifierUpload::add(const ClassifierPart& part) {
  Array& array = arrays_[static_cast<size_t>(part.array)];
  const std::string where = chunk_text(array.name);
  if (part.type != DType::kFloat32 && part.type != DType::kFloat64 && part.type != features_) {
    throw InvalidArgument(where + "expected float32, float64 or the features' " +
                          std::string(dtype_name(features_)) + ", got " +
                          std::string(dtype_name(part.type)));
  }
  const size_t width = dtype_size(part.type);
  if (part.data.empty() || part.data.size() % width != 0) {
    throw InvalidArgument(where + "expected a multiple of " + std::to_string(width) +
                          " bytes, got " + std::to_string(part.data.size()));
  }
  const size_t count = part.data.size() / width;
  const size_t received = array.started ? array.values.values.size() : 0;
  if (part.offset != 0 && part.offset != received) {
    throw FailedPrecondition(where + "expected offset " + std::to_string(received) + " or 0, got " +
                             std::to_string(part.offset));
  }
  if (count > array.expected - part.offset) {
    throw InvalidArgument(where + "expected " + std::to_string(array.expected) +
                          " elements in all, got " + std::to_string(part.offset + count));
  }
  std::vector<double> elements(count);
  convert(part.type, part.data.data(), count, elements.data());
  for (size_t i = 0; i < count; ++i) {
    if (std::fabs(elements[i]) < kMagnitudeLimit) continue;
    throw InvalidArgument(where + "expected finite values below 2^220 in magnitude, got " +
                          std::to_string(elements[i]) + " at element " +
                          std::to_string(part.offset + i));
  }
  if (part.offset == 0) {
    array.started = false;
    array.values = {};
    array.values.memory = budget_->reserve(array.expected * sizeof(double), where + "chunk");
    array.started = true;
  }
  array.values.values.insert(array.values.values.end(), elements.begin(), elements.end());
  if (array.values.values.size() < array.expected) return std::nullopt;
  array.started = false;
  return std::exchange(array.values, {});
}

void ClassifierUpload::check_complete() const {
  for (const Array& array : arrays_) {
    if (!array.started) continue;
    throw FailedPrecondition(chunk_text(array.name) + "expected " + std::to_string(array.expected) +
                             " elements before Close, got " +
                             std::to_string(array.values.values.size()));
  }
}

bool ClassifierUpload::holds(const MemoryBudget& budget) const {
  return std::ranges::any_of(arrays_,
                             [&](const Array& a) { return a.values.memory.is_of(budget); });
}

void SharedClassifier::submit(uint32_t rank, ClassifierArray which, ClassifierValues values) {
  const std::lock_guard lock(mutex_);
  require_acceptable(rank, which, values.values);
  take(rank, which, std::move(values));
}

void SharedClassifier::submit(uint32_t rank, Classifier classifier) {
  const std::lock_guard lock(mutex_);
  require_acceptable(rank, ClassifierArray::kWeight, classifier.weight);
  const bool has_bias = !classifier.bias.empty();
  if (has_bias) require_acceptable(rank, ClassifierArray::kBias, classifier.bias);
  take(rank, ClassifierArray::kWeight, {std::move(classifier.weight), {}});
  if (has_bias) take(rank, ClassifierArray::kBias, {std::move(classifier.bias), {}});
}

void SharedClassifier::require_acceptable(uint32_t rank, ClassifierArray which,
                                          const std::vector<double>& values) const {
  const Array& array = arrays_[static_cast<size_t>(which)];
  if (!array.values || array.is_of(rank) || array.values->values == values) return;
  refuse_different(which, array.sender, rank);
}

void SharedClassifier::take(uint32_t rank, ClassifierArray which, ClassifierValues values) {
  Array& array = arrays_[static_cast<size_t>(which)];
  Array& bias = arrays_[static_cast<size_t>(ClassifierArray::kBias)];
  if (which == ClassifierArray::kWeight && array.values && array.is_of(rank) && bias.is_of(rank)) {
    bias = {};  // it came with the weight that is replaced
  }
  if (!array.values || array.is_of(rank)) {
    const uint32_t digest = classifier_digest(values.values);
    array = {std::move(values), digest, rank, false};
  } else if (array.sender != rank) {
    array.confirmed = true;
  }
}

void SharedClassifier::confirm(uint32_t rank, ClassifierArray which,
                               const std::vector<double>& values) const {
  const std::lock_guard lock(mutex_);
  const Array& array = arrays_[static_cast<size_t>(which)];
  if (!array.digest) {
    throw FailedPrecondition(chunk_text(array_name(which)) + "rank " + std::to_string(rank) +
                             " has closed without one");
  }
  if (array.digest != classifier_digest(values)) refuse_different(which, array.sender, rank);
}

bool SharedClassifier::drops_bias(uint32_t rank) const {
  const std::lock_guard lock(mutex_);
  return arrays_[0].values && arrays_[0].is_of(rank) && arrays_[1].is_of(rank);
}

std::optional<uint32_t> SharedClassifier::digest(ClassifierArray array) const {
  const std::lock_guard lock(mutex_);
  return arrays_[static_cast<size_t>(array)].digest;
}

void SharedClassifier::check_consistent() const {
  const std::lock_guard lock(mutex_);
  if (arrays_[1].values && !arrays_[0].values) {
    throw FailedPrecondition("classifier: expected a weight before Close, got a bias only");
  }
}

std::optional<Classifier> SharedClassifier::get(size_t num_classes, size_t dim) const {
  check_consistent();
  const std::lock_guard lock(mutex_);
  if (!arrays_[0].values) return std::nullopt;
  Classifier classifier{num_classes, dim, arrays_[0].values->values, {}};
  if (arrays_[1].values) classifier.bias = arrays_[1].values->values;
  return classifier;
}

bool SharedClassifier::holds(const MemoryBudget& budget) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(
      arrays_, [&](const Array& a) { return a.values && a.values->memory.is_of(budget); });
}

void SharedClassifier::clear() {
  const std::lock_guard lock(mutex_);
  for (Array& array : arrays_) array.values.reset();
}

}  // namespace ncscope::server
