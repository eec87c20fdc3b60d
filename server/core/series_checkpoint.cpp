// The bound on a rank's log (--log-budget): sums in place of the samples, and one of 2^n batches
// for the second look at them.
#include <spdlog/spdlog.h>

#include "server/core/errors.h"
#include "server/core/series.h"
#include "server/log/failpoint.h"
#include "server/log/log_rewrite.h"

namespace ncscope::server {
namespace {

// Of a log's share, what samples may take of one that is written anew: the rest fills with what
// comes.
constexpr uint64_t kSampleShare = 4;
// After a failure.
constexpr std::chrono::seconds kRetry{10};

}  // namespace

bool Series::may_rewrite(const Rank& rank) const {
  if (!rank.log || rank.closed || !rank.accumulator || !rank.broken.empty()) return false;
  return rank.log->beyond_share() && (rank.log->size() >= rank.rewrite_above ||
                                      services_.logs.share() < rank.rewrite_share / 2 ||
                                      std::chrono::steady_clock::now() >= rank.rewrite_again);
}

void Series::bound_log(Rank& rank, uint32_t index) {
  if (!may_rewrite(rank)) return;
  const uint64_t size = rank.log->size();
  rank.rewrite_share = services_.logs.share();
  rank.rewrite_again = Rank::kNever;
  const uint32_t level = rank.samples.level_within(rank.rewrite_share / kSampleShare);
  const uint64_t expected = rank.accumulator->image_bytes() + rank.samples.bytes_at(level) +
                            sizeof(uint32_t) * rank.next_sequence() +
                            sizeof(uint64_t) * sample_ids_.count(index);
  if (size < 2 * expected) {  // nothing would come of it
    rank.rewrite_above = 2 * expected;
    return;
  }
  try {
    rewrite_log(rank, index, level);
  } catch (const std::exception& error) {
    ++services_.counters.checkpoint_failures;
    rank.rewrite_above = size + size / 8;
    rank.rewrite_again = std::chrono::steady_clock::now() + kRetry;
    spdlog::warn("the log of rank {} is not written anew, {} bytes: {}: {}", index, size,
                 error.what(), describe(key_));
    return;
  }
  // Whatever it came to: half of what is copied is new.
  rank.rewrite_above = 2 * rank.log->size();
  ++services_.counters.checkpoints;
  spdlog::info(
      "the log of rank {} is written anew: {} bytes, from {}; one of {} batches is kept for"
      " nc4: {}",
      index, rank.log->size(), size, uint64_t{1} << level, describe(key_));
}

void Series::rewrite_log(Rank& rank, uint32_t index, uint32_t level) {
  LogRewrite rewrite(*rank.log);
  const std::string open = opening(index);
  rewrite.append(RecordType::kOpen, {std::as_bytes(std::span(open))});
  const std::vector<uint64_t> ids = sample_ids_.of_rank(index);
  CheckpointRecord record;
  record.duplicates = rank.duplicates;
  {
    const std::lock_guard lock(mutex_);
    record.has_predictions = batches_with_predictions_ > 0;
  }
  record.sample_level = level;
  record.sample_ids = ids;
  record.checksums = rank.checksums;
  const CheckpointBody head(record);
  const auto with_device = [&](const std::function<void(Device&)>& work) {
    services_.devices.run(DevicePool::Job::kBatch, work);
  };
  rewrite.append(RecordType::kCheckpoint, [&](const LogRewrite::Sink& sink) {
    for (const auto& part : head.parts()) sink(part);
    rank.accumulator->save(with_device, sink);
  });
  auto classifier = rank.classifier_records;
  for (auto& place : classifier) {
    place.record = rewrite.copy(RecordType::kClassifier, place.record);
  }
  auto samples = rank.samples.copy_sample(level, rewrite);
  rewrite.finish();
  rank.classifier_records = std::move(classifier);
  rank.samples.replace(std::move(samples), level);
  rank.log->tell();
  failpoint("checkpoint.done");
  rank.log->require_good();  // its name may not be safe
}

bool Series::bound_idle_log() {
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank* const rank = find_rank(index);
    if (rank == nullptr || !rank->log || !rank->log->beyond_share()) continue;
    const std::unique_lock lock(rank->mutex, std::try_to_lock);
    // One that has closed belongs to whoever makes the report.
    if (!lock || !may_rewrite(*rank)) continue;
    bound_log(*rank, index);
    return true;
  }
  return false;
}

}  // namespace ncscope::server
