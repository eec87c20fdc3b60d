// From the ranks of a Series to its report.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "kernels/decisions.h"
#include "kernels/jackknife.h"
#include "kernels/report.h"
#include "proto/convert/report.h"
#include "proto/convert/statistics_file.h"
#include "server/core/dynamics.h"
#include "server/core/errors.h"
#include "server/core/series.h"
#include "server/core/train_state.h"
#include "server/log/failpoint.h"

namespace ncscope::server {
namespace {

v1::DecisionSource source_message(DecisionCounts::Source source) {
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

// Says why decisions are missing, in place of the reason that compute_report gives.
void explain_missing_decisions(const std::string& reason, v1::Report& report) {
  report.clear_nc4();
  auto& undefined = *report.mutable_undefined();
  for (int i = undefined.size() - 1; i >= 0; --i) {
    if (undefined[i].metric().starts_with("nc4")) undefined.DeleteSubrange(i, 1);
  }
  v1::Undefined& entry = *undefined.Add();
  entry.set_metric("nc4");
  entry.set_reason(reason);
}

void add_warning(v1::Report& report, const char* code, std::string message) {
  v1::Warning& warning = *report.add_warnings();
  warning.set_code(code);
  warning.set_message(std::move(message));
}

// Says where the train means are not those of the report's epoch and attempt.
void add_train_warning(v1::Report& report, const TrainState& train) {
  if (train.epoch != report.key().epoch()) {
    add_warning(report, "earlier_train_means",
                "the train means are those of epoch " + std::to_string(train.epoch) +
                    ": there are none of this epoch");
  } else if (train.attempt != report.attempt()) {
    add_warning(report, "other_attempt_train_means",
                "the train means are those of attempt " + std::to_string(train.attempt) +
                    " of this epoch, the samples those of attempt " +
                    std::to_string(report.attempt()));
  }
}

}  // namespace

void Series::make_report() {
  const auto start = std::chrono::steady_clock::now();
  std::optional<Classifier> classifier = classifier_.get(spec_.num_classes, spec_.dim);
  v1::Report report = services_.devices.run(DevicePool::Job::kReport, [&](Device& device) {
    return compute(device, classifier ? &*classifier : nullptr);
  });
  fill_dynamics(services_.reports, report);
  failpoint("report.computed");
  const std::string file = store_state(std::move(classifier));
  failpoint("report.state_stored");
  publish(std::move(report), file);
  failpoint("report.published");
  const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  ++services_.counters.reports;
  services_.counters.report_microseconds += static_cast<uint64_t>(elapsed.count());
  spdlog::info("report of {}, attempt {}: {} samples, {} ranks, {:.1f} ms", describe(key_),
               attempt(), merged_->samples, spec_.world_size,
               static_cast<double>(elapsed.count()) / 1e3);
}

v1::Report Series::compute(Device& device, const Classifier* classifier) {
  merge_ranks(device);
  const TrainState train = evaluates() ? find_train_state(services_, key_) : TrainState{};
  const std::string own_centers = evaluates() ? train.why_no_centers(*merged_) : "";
  const StateDecisions counted = state_decisions();
  const bool looks = !counted.needed;
  const bool train_centers = looks && evaluates() && own_centers.empty();
  std::optional<DecisionCounts> decisions = counted.counts;
  if (looks) {
    decisions = count_decisions(device, train_centers ? *train.means : *merged_, classifier);
  }
  const ReportOptions& options = spec_.report;
  Evaluation evaluation;
  evaluation.train = train.means ? &*train.means : nullptr;
  evaluation.no_train = train.missing;
  evaluation.out_of_distribution = is_out_of_distribution(key_.split);
  ReportValues values =
      compute_report(device, *merged_, classifier, decisions ? &*decisions : nullptr, options,
                     evaluates() ? &evaluation : nullptr);
  if (options.standard_errors) add_standard_errors(device, groups_, options, values);
  v1::Report report;
  *report.mutable_key() = key_message(key_);
  report.set_attempt(attempt());
  report.set_world_size(spec_.world_size);
  describe_report(device.info(), *merged_, options, report);
  fill_report(values, report);
  if (decisions) {
    v1::Nc4& nc4 = *report.mutable_nc4();
    v1::Centers& centers = *nc4.mutable_centers();
    if (looks) {
      centers.set_split(train_centers ? kTrainSplit : key_.split);
      centers.set_epoch(train_centers ? train.epoch : key_.epoch);
      centers.set_attempt(train_centers ? train.attempt : attempt());
    } else {
      centers.set_split(kTrainSplit);
      centers.set_epoch(counted.centers_epoch);
      add_warning(report, "earlier_train_means",
                  "the class means of train that nc4 takes are those of epoch " +
                      std::to_string(counted.centers_epoch) +
                      ": its decisions were counted before those of this epoch were known");
    }
    nc4.set_decision_source(source_message(decisions->source));
    nc4.set_samples(decisions->total());
    if (decisions->total() < merged_->samples) {
      add_warning(report, "nc4_sampled",
                  "nc4 is over " + std::to_string(decisions->total()) + " of " +
                      std::to_string(merged_->samples) + " samples, one of every " +
                      std::to_string(uint64_t{1} << sample_level()) +
                      " batches, for a log went beyond --log-budget; the class means are those of"
                      " all");
    }
  } else {
    explain_missing_decisions(counted.missing, report);
  }
  if (evaluation.out_of_distribution) report.mutable_nc5()->set_ood_split(key_.split);
  const bool has_centers = report.nc4().has_ncc_accuracy();
  if (looks && !own_centers.empty() && has_centers) {
    add_warning(
        report, "own_class_means",
        "nc4 takes the class means of this split for centres, not those of train: " + own_centers);
  }
  // Of other shapes than train's, some metrics may be judged by it all the same.
  const bool uses_train = train_centers || report.nc5().has_orthogonality() ||
                          report.test_collapse().has_strong() || report.has_class_groups();
  if (train.means && uses_train) add_train_warning(report, train);
  if (const uint64_t duplicates = sample_ids_.duplicates(); duplicates > 0) {
    add_warning(report, "duplicate_samples",
                std::to_string(duplicates) +
                    " rows were dropped because a sample of the same identity came before");
  }
  return report;
}

ReportedAttempt Series::describe_attempt() const {
  ReportedAttempt attempt;
  attempt.attempt = open_.attempt();
  attempt.open = open_;
  // A state does not fix what batches look like; a rank that streams does.
  if (batch_spec_) write_batch_spec(*batch_spec_, attempt.open);
  attempt.weight_digest = classifier_.digest(ClassifierArray::kWeight);
  attempt.bias_digest = classifier_.digest(ClassifierArray::kBias);
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    const Rank& rank = *ranks_[index];
    attempt.ranks.push_back({index, rank.checksums, rank.state_digest});
  }
  return attempt;
}

std::string Series::store_state(std::optional<Classifier> classifier) {
  const std::string file = services_.next_statistics_file();
  StatisticsBundle bundle{key_message(key_), std::move(*merged_), std::move(classifier)};
  const struct Returned {
    Statistics& lent;
    Statistics& owner;
    ~Returned() { owner = std::move(lent); }
  } returned{bundle.statistics, *merged_};
  try {
    save_statistics(services_.statistics_folder / file, bundle);
  } catch (const Error& error) {
    throw ResourceExhausted("the merged state cannot be stored, close again to retry: " +
                            std::string(error.what()));
  }
  return file;
}

void Series::publish(v1::Report report, const std::string& state_file) {
  PublishedReport published;
  std::optional<std::string> obsolete;
  std::error_code ignored;  // a file that cannot be removed now is removed at the next start
  try {
    const std::lock_guard lock(mutex_);
    if (drop_reason_) throw Aborted(*drop_reason_);
    report.set_partial(partial_);
    auto inserted = services_.reports.insert(report, describe_attempt(), state_file);
    published = {inserted.id, std::make_shared<const v1::Report>(std::move(report))};
    obsolete = std::move(inserted.obsolete_file);
    report_ = published.report;
    phase_ = Phase::kReported;
    changed_.notify_all();
  } catch (...) {
    std::filesystem::remove(services_.statistics_folder / state_file, ignored);
    throw;
  }
  failpoint("report.committed");
  services_.hub.publish(published);
  if (obsolete) std::filesystem::remove(services_.statistics_folder / *obsolete, ignored);
}

}  // namespace ncscope::server
