#include "client/measure/local.h"

#include "kernels/accumulator.h"
#include "kernels/errors.h"
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
    case DecisionCounts::Source::kNone:
      break;
  }
  return v1::DECISION_SOURCE_UNSPECIFIED;
}

StatisticsBundle accumulate_set(Device& device, const files::SampleSet& set, const BatchSpec& spec,
                                const MeasureOptions& options, const ReadSamples& progress) {
  Accumulator accumulator(device, spec.num_classes, spec.dim, spec.type);
  for_each_batch(set, spec, 0, progress, [&](const AdmittedBatch& batch) {
    accumulator.add(device, batch.view());
    accumulator.add_dropped(batch.dropped());
  });
  return {options.key, accumulator.finish(device), set.classifier()};
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
  return accumulate_set(device, set, batch_spec(set, classes, options), options, progress);
}

v1::Report local_report(Device& device, const files::SampleSet& set, const MeasureOptions& options,
                        const ReadSamples& progress) {
  const size_t classes = set.check_labels(options.num_classes, options.ignore_index);
  const BatchSpec spec = batch_spec(set, classes, options);
  const StatisticsBundle bundle = accumulate_set(device, set, spec, options, progress);
  if (bundle.statistics.samples == 0) return report_of_bundle(device, bundle, nullptr, options, 1);
  const Classifier* classifier = bundle.classifier ? &*bundle.classifier : nullptr;
  if (options.train && shape_of(*options.train) != shape_of(bundle.statistics)) {
    throw InvalidArgument("expected " + shape_of(*options.train) + " as of the centres, got " +
                          shape_of(bundle.statistics));
  }
  DecisionCounter counter(device, options.train ? *options.train : bundle.statistics, classifier);
  for_each_batch(set, spec, set.samples(), progress,
                 [&](const AdmittedBatch& batch) { counter.add(device, batch.view()); });
  return report_of_bundle(device, bundle, &counter.counts(), options, 1);
}

StatisticsBundle merge_bundles(Device& device, std::vector<StatisticsBundle> bundles,
                               const std::vector<std::string>& names) {
  StatisticsBundle merged = std::move(bundles.front());
  size_t classifier_from = 0;
  for (size_t i = 1; i < bundles.size(); ++i) {
    const Statistics& part = bundles[i].statistics;
    if (shape_of(part) != shape_of(merged.statistics)) {
      throw InvalidArgument(names[i] + ": expected " + shape_of(merged.statistics) + " as in " +
                            names.front() + ", got " + shape_of(part));
    }
    merged.statistics = merge(device, merged.statistics, part);
    if (!bundles[i].classifier) continue;
    if (!merged.classifier) {
      merged.classifier = std::move(bundles[i].classifier);
      classifier_from = i;
    } else if (!same_classifier(*merged.classifier, *bundles[i].classifier)) {
      throw InvalidArgument(names[i] + ": expected the same classifier as in " +
                            names[classifier_from] + ", got another one");
    }
  }
  return merged;
}

v1::Report report_of_bundle(Device& device, const StatisticsBundle& bundle,
                            const DecisionCounts* decisions, const MeasureOptions& options,
                            uint32_t parts) {
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
  fill_report(compute_report(device, bundle.statistics, classifier, decisions, options.report,
                             options.train ? &evaluation : nullptr),
              report);
  if (options.train && evaluation.out_of_distribution) {
    report.mutable_nc5()->set_ood_split(options.key.split());
  }
  describe_report(device.info(), bundle.statistics, options.report, report);
  if (decisions != nullptr) {
    report.mutable_nc4()->set_decision_source(decision_source(decisions->source));
  }
  if (report.nc4().has_ncc_accuracy()) {
    v1::Centers& centers = *report.mutable_nc4()->mutable_centers();
    centers.set_split(options.train ? kTrainSplit : options.key.split());
    centers.set_epoch(options.train ? options.train_epoch : options.key.epoch());
  }
  return report;
}

}  // namespace ncscope::measure
