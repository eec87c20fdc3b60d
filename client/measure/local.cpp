#include "client/measure/local.h"

#include <random>

#include "kernels/accumulator.h"
#include "kernels/errors.h"
#include "kernels/jackknife.h"
#include "proto/convert/report.h"
#include "proto/convert/splits.h"

namespace ncscope::measure {
namespace {

constexpr size_t kBlockBytes = size_t{4} << 20;
// A block as a batch; a refusal names the row of the file.
AdmittedBatch admit_block(const files::SampleBlock& block, const BatchSpec& spec) {
  RawBatch raw;
  raw.rows = block.rows;
  raw.features = block.features;
  raw.labels = index_bytes(block.labels);
  raw.predictions = index_bytes(block.predictions);
  try {
    return admit(raw, spec);
  } catch (const InvalidArgument& error) {
    files::require_finite(block, spec);
    throw InvalidArgument(block.name + ": rows from " + std::to_string(block.first_row) +
                          " on: " + error.what());
  }
}

// Hands every block of the set to `take`, admitted.
template <class Take>
void for_each_batch(const files::SampleSet& set, const BatchSpec& spec, uint64_t read_before,
                    const ReadSamples& progress, Take take) {
  files::SampleReader reader(set, rows_of(set, kBlockBytes));
  files::SampleBlock block;
  uint64_t read = read_before;
  while (reader.next(block)) {
    take(admit_block(block, spec));
    read += block.rows;
    if (progress) progress(read);
  }
}

bool same_classifier(const Classifier& a, const Classifier& b) {
  return a.num_classes == b.num_classes && a.dim == b.dim && a.weight == b.weight &&
         a.bias == b.bias;
}

std::string shape_of(const Statistics& statistics) {
  return "K = " + std::to_string(statistics.num_classes) +
         ", d = " + std::to_string(statistics.dim);
}

v1::DecisionSource decision_source(DecisionCounts::Source source) {
  switch (source) {
    case DecisionCounts::Source::kClassifier:
      return v1::DECISION_SOURCE_CLASSIFIER;
    case DecisionCounts::Source::kPredictions:
      return v1::DECISION_SOURCE_PREDICTIONS;
    case DecisionCounts::Source::kCounted:
      return v1::DECISION_SOURCE_COUNTED;
    case DecisionCounts::Source::kNone:
      break;
  }
  return v1::DECISION_SOURCE_UNSPECIFIED;
}

// Deals the rows of each class to the groups in turn, so that the order of the rows decides nothing
// about how many of a class a group has. Classes start at groups drawn at random.
class RowDealer {
 public:
  explicit RowDealer(size_t classes) : next_(classes) {
    std::mt19937_64 random;
    for (uint8_t& group : next_) group = static_cast<uint8_t>(random() % kMostGroups);
  }

  std::vector<uint8_t> deal(const Batch& batch) {
    std::vector<uint8_t> groups(batch.rows);
    for (size_t i = 0; i < batch.rows; ++i) {
      if (batch.labels[i] == kDroppedRow) continue;
      uint8_t& next = next_[static_cast<size_t>(batch.labels[i])];
      groups[i] = next;
      next = static_cast<uint8_t>((next + 1) % kMostGroups);
    }
    return groups;
  }

 private:
  std::vector<uint8_t> next_;  // [K]
};

// Each group's rows of a batch, the others dropped.
void add_by_group(Device& device, const Batch& batch, const std::vector<uint8_t>& group_of,
                  std::vector<Accumulator>& groups) {
  std::vector<int32_t> labels(batch.rows);
  for (size_t group = 0; group < groups.size(); ++group) {
    for (size_t i = 0; i < batch.rows; ++i) {
      labels[i] = group_of[i] == group ? batch.labels[i] : kDroppedRow;
    }
    Batch part = batch;
    part.labels = labels.data();
    groups[group].add(device, part);
  }
}

Measurement accumulate_groups(Device& device, const files::SampleSet& set, const BatchSpec& spec,
                              const MeasureOptions& options, const ReadSamples& progress) {
  std::vector<Accumulator> accumulators;
  for (size_t group = 0; group < kMostGroups; ++group) {
    accumulators.emplace_back(device, spec.num_classes, spec.dim, spec.type);
  }
  RowDealer dealer(spec.num_classes);
  for_each_batch(set, spec, 0, progress, [&](const AdmittedBatch& batch) {
    add_by_group(device, batch.view(), dealer.deal(batch.view()), accumulators);
    accumulators[0].add_dropped(batch.dropped());
  });
  Measurement out;
  for (Accumulator& accumulator : accumulators) out.groups.push_back(accumulator.finish(device));
  out.whole = {options.key, merge_all(device, out.groups), set.classifier()};
  return out;
}

Measurement accumulate_set(Device& device, const files::SampleSet& set, const BatchSpec& spec,
                           const MeasureOptions& options, const ReadSamples& progress) {
  if (options.report.standard_errors) {
    return accumulate_groups(device, set, spec, options, progress);
  }
  Accumulator accumulator(device, spec.num_classes, spec.dim, spec.type);
  for_each_batch(set, spec, 0, progress, [&](const AdmittedBatch& batch) {
    accumulator.add(device, batch.view());
    accumulator.add_dropped(batch.dropped());
  });
  return {{options.key, accumulator.finish(device), set.classifier()}, {}};
}

}  // namespace

BatchSpec batch_spec(const files::SampleSet& set, size_t num_classes,
                     const MeasureOptions& options) {
  BatchSpec spec;
  spec.num_classes = num_classes;
  spec.dim = set.dim();
  spec.type = set.type();
  spec.label_width = LabelWidth::kInt64;
  spec.skip_nonfinite = options.skip_nonfinite;
  spec.ignore_index = options.ignore_index;
  return spec;
}

size_t rows_of(const files::SampleSet& set, size_t bytes) {
  const size_t row_bytes = set.dim() * dtype_size(set.type()) + 2 * sizeof(int64_t);
  return std::max<size_t>(1, bytes / row_bytes);
}

StatisticsBundle local_statistics(Device& device, const files::SampleSet& set,
                                  const MeasureOptions& options, const ReadSamples& progress) {
  const size_t classes = set.check_labels(options.num_classes, options.ignore_index);
  return accumulate_set(device, set, batch_spec(set, classes, options), options, progress).whole;
}

v1::Report local_report(Device& device, const files::SampleSet& set, const MeasureOptions& options,
                        const ReadSamples& progress) {
  const size_t classes = set.check_labels(options.num_classes, options.ignore_index);
  const BatchSpec spec = batch_spec(set, classes, options);
  const Measurement measured = accumulate_set(device, set, spec, options, progress);
  const StatisticsBundle& bundle = measured.whole;
  if (bundle.statistics.samples == 0) return report_of(device, measured, nullptr, options, 1);
  const Classifier* classifier = bundle.classifier ? &*bundle.classifier : nullptr;
  if (options.train && shape_of(*options.train) != shape_of(bundle.statistics)) {
    throw InvalidArgument("expected " + shape_of(*options.train) + " as of the centres, got " +
                          shape_of(bundle.statistics));
  }
  DecisionCounter counter(device, options.train ? *options.train : bundle.statistics, classifier);
  for_each_batch(set, spec, set.samples(), progress,
                 [&](const AdmittedBatch& batch) { counter.add(device, batch.view()); });
  return report_of(device, measured, &counter.counts(), options, 1);
}

Measurement merge_bundles(Device& device, std::vector<StatisticsBundle> bundles,
                          const std::vector<std::string>& names, bool grouped) {
  Measurement merged;
  merged.whole.key = bundles.front().key;
  const std::string shape = shape_of(bundles.front().statistics);
  std::vector<Statistics> sums(grouped ? jackknife_groups(bundles.size()) : 1);
  size_t classifier_from = 0;
  for (size_t i = 0; i < bundles.size(); ++i) {
    Statistics& part = bundles[i].statistics;
    if (shape_of(part) != shape) {
      throw InvalidArgument(names[i] + ": expected " + shape + " as in " + names.front() +
                            ", got " + shape_of(part));
    }
    Statistics& sum = sums[grouped ? jackknife_group(i, bundles.size()) : 0];
    sum = sum.dim == 0 ? std::move(part) : merge(device, sum, part);
    if (!bundles[i].classifier) continue;
    if (!merged.whole.classifier) {
      merged.whole.classifier = std::move(bundles[i].classifier);
      classifier_from = i;
    } else if (!same_classifier(*merged.whole.classifier, *bundles[i].classifier)) {
      throw InvalidArgument(names[i] + ": expected the same classifier as in " +
                            names[classifier_from] + ", got another one");
    }
  }
  if (grouped) {
    merged.whole.statistics = merge_all(device, sums);
    merged.groups = std::move(sums);
  } else {
    merged.whole.statistics = std::move(sums[0]);
  }
  return merged;
}

v1::Report report_of_bundle(Device& device, const StatisticsBundle& bundle,
                            const DecisionCounts* decisions, const MeasureOptions& options,
                            uint32_t parts) {
  return report_of(device, {bundle, {}}, decisions, options, parts);
}

v1::Report report_of(Device& device, const Measurement& measured, const DecisionCounts* decisions,
                     const MeasureOptions& options, uint32_t parts) {
  const StatisticsBundle& bundle = measured.whole;
  if (bundle.statistics.samples == 0) {
    throw InvalidArgument(
        "expected at least one sample, got none: " + std::to_string(bundle.statistics.ignored) +
        " were ignored and " + std::to_string(bundle.statistics.skipped_nonfinite) +
        " skipped as not finite");
  }
  const Classifier* classifier = bundle.classifier ? &*bundle.classifier : nullptr;
  v1::Report report;
  *report.mutable_key() = options.key;
  report.set_attempt(options.attempt);
  report.set_world_size(parts);
  Evaluation evaluation;
  evaluation.train = options.train.get();
  evaluation.out_of_distribution = is_out_of_distribution(options.key.split());
  ReportValues values = compute_report(device, bundle.statistics, classifier, decisions,
                                       options.report, options.train ? &evaluation : nullptr);
  if (options.report.standard_errors) {
    add_standard_errors(device, measured.groups, options.report, values);
  }
  fill_report(values, report);
  if (options.train && evaluation.out_of_distribution) {
    report.mutable_nc5()->set_ood_split(options.key.split());
  }
  describe_report(device.info(), bundle.statistics, options.report, report);
  if (decisions != nullptr) {
    report.mutable_nc4()->set_decision_source(decision_source(decisions->source));
    report.mutable_nc4()->set_samples(decisions->total());
  }
  if (report.nc4().has_ncc_accuracy()) {
    v1::Centers& centers = *report.mutable_nc4()->mutable_centers();
    centers.set_split(options.train ? kTrainSplit : options.key.split());
    centers.set_epoch(options.train ? options.train_epoch : options.key.epoch());
    if (!options.train) centers.set_attempt(options.attempt);
  }
  return report;
}

}  // namespace ncscope::measure
