#include "tests/server/samples.h"

#include <google/protobuf/util/field_comparator.h>
#include <google/protobuf/util/message_differencer.h>

#include <cmath>
#include <random>

#include "kernels/accumulator.h"
#include "kernels/backend.h"
#include "kernels/decisions.h"
#include "kernels/report.h"
#include "proto/convert/crc32c.h"
#include "proto/convert/report.h"
#include "proto/convert/splits.h"
#include "proto/convert/types.h"

namespace ncscope::testing {
namespace {

double as_type(double value, DType type) {
  return type == DType::kFloat64 ? value : static_cast<double>(static_cast<float>(value));
}

std::string feature_bytes(const Samples& samples, size_t first, size_t count) {
  std::string bytes;
  const auto append = [&](auto value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  for (size_t i = first * samples.dim; i < (first + count) * samples.dim; ++i) {
    if (samples.type == DType::kFloat64) {
      append(samples.features[i]);
    } else {
      append(static_cast<float>(samples.features[i]));
    }
  }
  return bytes;
}

std::string integer_bytes(const std::vector<int64_t>& values, size_t first, size_t count) {
  if (values.empty()) return {};
  return {reinterpret_cast<const char*>(values.data() + first), count * sizeof(int64_t)};
}

std::span<const std::byte> as_span(const std::string& bytes) {
  return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

AdmittedBatch admit_all(const Samples& samples) {
  const BatchSpec spec{samples.num_classes, samples.dim, samples.type,
                       LabelWidth::kInt64,  false,       -100};
  const std::string features = feature_bytes(samples, 0, samples.rows());
  const std::string labels = integer_bytes(samples.labels, 0, samples.rows());
  const std::string predictions = integer_bytes(samples.predictions, 0, samples.rows());
  return admit({samples.rows(), as_span(features), as_span(labels), as_span(predictions)}, spec);
}

Statistics state_of(Device& device, const Samples& samples, const AdmittedBatch& batch) {
  Accumulator accumulator(device, samples.num_classes, samples.dim, samples.type);
  accumulator.add(device, batch.view());
  return accumulator.finish(device);
}

}  // namespace

Samples Samples::slice(size_t first, size_t count) const {
  Samples out = *this;
  const auto cut = [&](auto& values, size_t width) {
    if (values.empty()) return;
    const auto begin = values.begin() + static_cast<ptrdiff_t>(first * width);
    values = std::decay_t<decltype(values)>(begin, begin + static_cast<ptrdiff_t>(count * width));
  };
  cut(out.features, dim);
  cut(out.labels, 1);
  cut(out.predictions, 1);
  return out;
}

Samples make_samples(size_t rows, size_t dim, size_t num_classes, DType type, uint32_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal;
  Samples samples{num_classes, dim, type, {}, {}, {}, Classifier{num_classes, dim, {}, {}}};
  std::vector<double> means(num_classes * dim);
  for (double& value : means) value = 2 + normal(generator);
  for (size_t row = 0; row < rows; ++row) {
    const size_t label = generator() % num_classes;
    samples.labels.push_back(static_cast<int64_t>(label));
    for (size_t j = 0; j < dim; ++j) {
      samples.features.push_back(as_type(means[label * dim + j] + 0.6 * normal(generator), type));
    }
  }
  for (const double mean : means) {
    samples.classifier->weight.push_back(mean + 0.3 * normal(generator));
  }
  for (size_t c = 0; c < num_classes; ++c) samples.classifier->bias.push_back(normal(generator));
  return samples;
}

v1::Open open_for(const Samples& samples, const std::string& run) {
  v1::Open open;
  open.mutable_key()->set_run(run);
  open.set_num_classes(static_cast<uint32_t>(samples.num_classes));
  open.set_dim(static_cast<uint32_t>(samples.dim));
  open.set_data_type(to_proto(samples.type));
  open.set_label_type(v1::LABEL_TYPE_INT64);
  return open;
}

v1::Batch batch_of(const Samples& samples, uint64_t sequence, size_t first, size_t count) {
  v1::Batch batch;
  batch.set_sequence(sequence);
  batch.set_rows(static_cast<uint32_t>(count));
  batch.set_labels(integer_bytes(samples.labels, first, count));
  batch.set_predictions(integer_bytes(samples.predictions, first, count));
  batch.set_features(feature_bytes(samples, first, count));
  return batch;
}

std::vector<v1::Batch> batches_of(const Samples& samples, size_t rows) {
  std::vector<v1::Batch> batches;
  for (size_t first = 0; first < samples.rows(); first += rows) {
    batches.push_back(
        batch_of(samples, batches.size(), first, std::min(rows, samples.rows() - first)));
  }
  return batches;
}

std::vector<v1::ClassifierChunk> chunks_of(const Classifier& classifier, size_t elements) {
  std::vector<v1::ClassifierChunk> chunks;
  const auto add = [&](v1::ClassifierChunk::Array array, const std::vector<double>& values) {
    for (size_t offset = 0; offset < values.size(); offset += elements) {
      v1::ClassifierChunk& chunk = chunks.emplace_back();
      chunk.set_array(array);
      chunk.set_offset(offset);
      chunk.set_data_type(v1::DATA_TYPE_FLOAT64);
      chunk.set_data(std::string(reinterpret_cast<const char*>(values.data() + offset),
                                 std::min(elements, values.size() - offset) * sizeof(double)));
    }
  };
  add(v1::ClassifierChunk::ARRAY_WEIGHT, classifier.weight);
  add(v1::ClassifierChunk::ARRAY_BIAS, classifier.bias);
  return chunks;
}

uint32_t checksum_of(const v1::Batch& batch) {
  uint32_t checksum = 0;
  for (const std::string* field :
       {&batch.labels(), &batch.predictions(), &batch.sample_ids(), &batch.features()}) {
    checksum = crc32c(field->data(), field->size(), checksum);
  }
  return checksum;
}

v1::Report local_report(const Samples& samples, const Samples* train, const std::string& split) {
  const auto device = make_device(Backend::kCpu);
  const AdmittedBatch batch = admit_all(samples);
  const Statistics statistics = state_of(*device, samples, batch);
  const Classifier* classifier = samples.classifier ? &*samples.classifier : nullptr;
  Statistics train_state;
  Evaluation evaluation;
  if (train != nullptr) {
    train_state = state_of(*device, *train, admit_all(*train));
    evaluation.train = &train_state;
    evaluation.out_of_distribution = is_out_of_distribution(split);
  }
  DecisionCounter counter(*device, train != nullptr ? train_state : statistics, classifier);
  counter.add(*device, batch.view());
  v1::Report report;
  fill_report(compute_report(*device, statistics, classifier, &counter.counts(), {},
                             train != nullptr ? &evaluation : nullptr),
              report);
  if (evaluation.out_of_distribution) report.mutable_nc5()->set_ood_split(split);
  return report;
}

std::string comparable(v1::Report report) {
  report.clear_created_at();
  report.clear_attempt();
  report.clear_key();
  if (report.nc4().has_centers()) report.mutable_nc4()->mutable_centers()->clear_attempt();
  return report.SerializeAsString();
}

std::string difference(const v1::Report& a, const v1::Report& b, double tolerance) {
  google::protobuf::util::DefaultFieldComparator comparator;
  comparator.set_float_comparison(google::protobuf::util::DefaultFieldComparator::APPROXIMATE);
  comparator.SetDefaultFractionAndMargin(tolerance, tolerance * 1e-3);
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_field_comparator(&comparator);
  const auto* descriptor = v1::Report::descriptor();
  for (const char* field :
       {"key", "attempt", "world_size", "created_at", "conventions", "device", "dynamics"}) {
    differencer.IgnoreField(descriptor->FindFieldByName(field));
  }
  for (const char* field : {"centers", "decision_source", "samples"}) {
    differencer.IgnoreField(v1::Nc4::descriptor()->FindFieldByName(field));
  }
  std::string text;
  differencer.ReportDifferencesToString(&text);
  return differencer.Compare(a, b) ? "" : text;
}

}  // namespace ncscope::testing
