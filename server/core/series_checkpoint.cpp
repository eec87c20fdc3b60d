// The bound on a rank's log (--log-budget): sums in place of the samples, and every n-th batch for
// the second look at them.
#include <spdlog/spdlog.h>

#include "server/core/errors.h"
#include "server/core/series.h"
#include "server/log/failpoint.h"
#include "server/log/log_rewrite.h"

namespace ncscope::server {
namespace {

// Of a log's share, what samples may take of one that is written anew: the rest fills with what
// comes, so that a byte is copied about a third time only.
constexpr uint64_t kSampleShare = 4;

}  // namespace

void Series::bound_log(Rank& rank, uint32_t index) {
  if (!rank.log || rank.closed || !rank.accumulator || !rank.broken.empty()) return;
  if (rank.log->size() < rank.rewrite_above || !rank.log->beyond_share()) return;
  const uint64_t size = rank.log->size();
  rank.rewrite_above = size + size / 8;  // looked at again then, if nothing comes of it now
  uint64_t expected = rank.accumulator->image_bytes() +
                      (sizeof(uint32_t) + sizeof(uint64_t)) * rank.next_sequence();
  const uint64_t stride = rank.samples.stride_within(services_.logs.share() / kSampleShare);
  expected += rank.samples.bytes_of_every(stride);
  if (size < 2 * expected) return;
  try {
    rewrite_log(rank, index, stride);
  } catch (const std::exception& error) {
    ++services_.counters.checkpoint_failures;
    spdlog::warn("the log of rank {} stays as it is, {} bytes: {}: {}", index, size, error.what(),
                 describe(key_));
    return;
  }
  rank.rewrite_above = 0;
  ++services_.counters.checkpoints;
  spdlog::info(
      "the log of rank {} is written anew: {} bytes, from {}; of its {} batches every {}"
      " is kept for nc4: {}",
      index, rank.log->size(), size, rank.next_sequence(),
      stride == 1 ? "one" : std::to_string(stride) + "th", describe(key_));
}

void Series::rewrite_log(Rank& rank, uint32_t index, uint64_t stride) {
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
  record.sample_ids = ids;
  record.checksums = rank.checksums;
  const CheckpointBody head(record);
  rewrite.append(RecordType::kCheckpoint, [&](const LogRewrite::Sink& sink) {
    for (const auto& part : head.parts()) sink(part);
    services_.devices.run(DevicePool::Job::kBatch,
                          [&](Device& device) { rank.accumulator->save(device, sink); });
  });
  auto classifier = rank.classifier_records;
  for (auto& place : classifier) {
    place.record = rewrite.copy(RecordType::kClassifier, place.record);
  }
  auto samples = rank.samples.copy_every(stride, rewrite);
  rewrite.finish();
  rank.classifier_records = std::move(classifier);
  rank.samples.replace(std::move(samples));
  failpoint("checkpoint.done");
}

void Series::bound_logs() {
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank* const rank = find_rank(index);
    if (rank == nullptr || !rank->log || !rank->log->beyond_share()) continue;
    const std::lock_guard lock(rank->mutex);
    bound_log(*rank, index);  // a rank that has closed belongs to whoever makes the report
  }
}

}  // namespace ncscope::server
