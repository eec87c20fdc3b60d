// The path of a batch, and of a classifier chunk, through a Series.
#include <algorithm>
#include <cstring>

#include "server/core/errors.h"
#include "server/core/series.h"
#include "server/log/failpoint.h"

namespace ncscope::server {
namespace {

// Takes identities back unless the batch was applied.
class SampleIdClaim {
 public:
  SampleIdClaim(SampleIds& ids, const std::vector<uint64_t>& of_batch, const Batch& batch,
                uint32_t rank, MemoryBudget& memory)
      : ids_(ids), claim_(ids.claim(of_batch, batch.labels, rank, memory)) {}
  SampleIdClaim(const SampleIdClaim&) = delete;
  SampleIdClaim& operator=(const SampleIdClaim&) = delete;
  ~SampleIdClaim() {
    if (!kept_) ids_.give_back(claim_);
  }
  const std::vector<size_t>& duplicates() const { return claim_.duplicates; }
  void keep() { kept_ = true; }

 private:
  SampleIds& ids_;
  SampleIds::Claim claim_;
  bool kept_ = false;
};

}  // namespace

class Series::PredictionClaim {
 public:
  PredictionClaim(Series& series, bool has_predictions)
      : series_(series),
        count_(has_predictions ? series.batches_with_predictions_
                               : series.batches_without_predictions_) {
    const std::lock_guard lock(series.mutex_);
    const uint64_t others =
        has_predictions ? series.batches_without_predictions_ : series.batches_with_predictions_;
    if (others > 0) {
      throw InvalidArgument(
          std::string("Batch: expected ") + (has_predictions ? "no predictions" : "predictions") +
          " as in the other batches of the series, got " + (has_predictions ? "some" : "none"));
    }
    ++count_;
  }
  PredictionClaim(const PredictionClaim&) = delete;
  PredictionClaim& operator=(const PredictionClaim&) = delete;
  ~PredictionClaim() {
    if (kept_) return;
    const std::lock_guard lock(series_.mutex_);
    --count_;
  }
  void keep() { kept_ = true; }

 private:
  Series& series_;
  uint64_t& count_;
  bool kept_ = false;
};

uint64_t Series::add_batch(uint32_t index, uint64_t session, const IncomingBatch& batch) {
  Rank& rank = rank_at(index);
  const std::lock_guard lock(rank.mutex);
  require_writer(rank, session);
  const uint32_t checksum = content_checksum(batch);
  const uint64_t next = rank.next_sequence();
  if (batch.sequence < next) {
    if (rank.checksums[batch.sequence] != checksum) {
      throw AlreadyExists("Batch " + std::to_string(batch.sequence) +
                          " was received already with other content: " + describe(key_) +
                          ", rank " + std::to_string(index) +
                          "; open a higher attempt to stream it anew");
    }
    ++services_.counters.duplicate_batches;
    return next - 1;
  }
  require_open(rank, index);
  if (batch.sequence > next) {
    throw FailedPrecondition("Batch: expected sequence " + std::to_string(next) + ", got " +
                             std::to_string(batch.sequence));
  }
  // Before the batch is applied, and by doubling: push_back below cannot fail.
  if (rank.checksums.size() == rank.checksums.capacity()) {
    rank.checksums.reserve(std::max<size_t>(64, 2 * rank.checksums.size()));
  }
  if (rank.log && rank.log->size() == 0) log_open(rank, index);
  apply(rank, index, batch, checksum);
  rank.checksums.push_back(checksum);
  rank.received = next + 1;
  failpoint("batch.applied");
  if (rank.log) rank.log->commit(next);
  bound_log(rank, index);
  return next;
}

void Series::apply(Rank& rank, uint32_t index, const IncomingBatch& in, uint32_t checksum) {
  const auto batch = std::make_shared<SampleBatch>(in.admitted());
  PredictionClaim prediction_claim(*this, batch->view().predictions != nullptr);
  SampleIdClaim id_claim(sample_ids_, in.sample_ids, batch->view(), index, services_.memory);
  batch->drop(id_claim.duplicates());
  rank.samples.append(batch, {in.sequence, checksum, id_claim.duplicates().size(), in.sample_ids});
  failpoint("batch.logged");
  try {
    accumulate(rank, batch->view(), batch->dropped());
  } catch (...) {
    rank.samples.pop();
    throw;
  }
  prediction_claim.keep();
  id_claim.keep();
  rank.duplicates += id_claim.duplicates().size();
  ++services_.counters.batches;
  services_.counters.samples += batch->samples();
  services_.counters.sample_bytes += in.bytes;
}

void Series::accumulate(Rank& rank, const Batch& batch, const Dropped& dropped) {
  if (!rank.broken.empty()) {
    throw FailedPrecondition("the rank's state was lost (" + rank.broken +
                             "); open a higher attempt: " + describe(key_));
  }
  services_.devices.run(DevicePool::Job::kBatch, [&](Device& device) {
    if (!rank.accumulator) {
      rank.accumulator.emplace(device, spec_.num_classes, spec_.dim, batch_spec_->type);
    }
    try {
      rank.accumulator->add(device, batch);
    } catch (const InvalidArgument&) {
      throw;
    } catch (const OutOfMemory&) {
      throw;
    } catch (const DeviceLost&) {
      throw;  // no device computes any more, so nothing is made of the sums
    } catch (const std::exception& error) {
      // Part of the batch may be in the sums: nothing that is right can be made of them.
      const std::lock_guard lock(mutex_);
      rank.broken = error.what();
      broken_ = true;
      throw;
    }
  });
  rank.accumulator->add_dropped(dropped);
}

void Series::add_classifier(uint32_t index, uint64_t session, const ClassifierPart& part) {
  Rank& rank = rank_at(index);
  const std::lock_guard lock(rank.mutex);
  require_writer(rank, session);
  if (!rank.upload) {
    rank.upload.emplace(spec_.num_classes, spec_.dim, batch_spec_->type, services_.memory);
  }
  auto values = rank.upload->add(part);
  if (!values) return;
  if (rank.closed) {
    // A trainer that did not hear the answer to its Close repeats what came before it.
    classifier_.confirm(index, part.array, values->values);
    return;
  }
  const bool drops_bias = part.array == ClassifierArray::kWeight && classifier_.drops_bias(index);
  const ClassifierBody body({part.array, drops_bias, values->values});
  const Logged logged = log_record(rank, index, RecordType::kClassifier, body.parts());
  try {
    classifier_.submit(index, part.array, std::move(*values));
  } catch (...) {
    if (rank.log) rank.log->truncate(logged.before);
    throw;
  }
  if (rank.log) rank.note_classifier(part.array, drops_bias, logged.place);
  failpoint("classifier.taken");
}

}  // namespace ncscope::server
