// A Series from the log that an earlier server has left.
#include <spdlog/spdlog.h>

#include <utility>

#include "proto/convert/statistics_file.h"
#include "server/core/errors.h"
#include "server/core/series.h"

namespace ncscope::server {
namespace {

size_t state_bytes(const Statistics& state) {
  return (state.present() * (state.dim + 3) + state.dim * state.dim) * sizeof(double);
}

}  // namespace

void Series::restore() {
  std::vector<std::pair<uint32_t, std::vector<ClassifierRecord>>> confirmed;
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    if (!std::filesystem::exists(log_->rank_path(index))) continue;
    confirmed.emplace_back(index, std::vector<ClassifierRecord>());
    restore_rank(index, confirmed.back().second);
  }
  for (const auto& [index, records] : confirmed) {
    for (const ClassifierRecord& record : records) {
      if (classifier_.confirm_digest(index, record.array, record.digest)) continue;
      Rank& rank = rank_at(index);
      const std::lock_guard lock(rank.mutex);
      const std::lock_guard series_lock(mutex_);
      broken_ = true;
      rank.broken = "the classifier that it has sent is damaged in the log of another rank";
      spdlog::error("rank {} is lost: {}: {}", index, rank.broken, describe(key_));
    }
  }
  const std::lock_guard lock(mutex_);
  used_ = true;
  last_used_ = std::chrono::steady_clock::now();
  if (closed_ < spec_.world_size) return;
  // Nobody asks for its report any more, perhaps.
  held_ = true;
  complete_since_ = last_used_;
}

void Series::restore_rank(uint32_t index, std::vector<ClassifierRecord>& confirmed) {
  LogReader reader(log_->rank_path(index));
  uint64_t good = 0;
  std::string damage;
  Rank* rank = nullptr;
  while (const auto record = reader.next()) {
    try {
      if (record->type == RecordType::kOpen) {
        v1::Open open;
        if (!open.ParseFromArray(record->body.data(), static_cast<int>(record->body.size())) ||
            open.rank() != index || rank != nullptr) {
          throw DataLoss("what the rank has opened cannot be read");
        }
        const bool streams = open.data_type() != v1::DATA_TYPE_UNSPECIFIED;
        const BatchSpec batches = streams ? parse_batch_spec(open) : BatchSpec();
        rank = join(index, parse_series_spec(open, services_.limits), streams ? &batches : nullptr);
      } else if (rank == nullptr) {
        throw DataLoss("what the rank has opened is missing");
      } else {
        replay(*rank, index, *record, confirmed);
      }
      good = reader.good_bytes();
    } catch (const BudgetExhausted&) {
      throw;
    } catch (const BeyondBudget&) {
      throw;
    } catch (const InvalidArgument& error) {
      damage = error.what();
    } catch (const DataLoss& error) {
      damage = error.what();
    } catch (const FailedPrecondition& error) {
      damage = error.what();
    } catch (const AlreadyExists& error) {
      damage = error.what();
    }
    if (!damage.empty()) break;
  }
  if (damage.empty()) damage = reader.damage();
  if (!damage.empty()) {
    ++services_.counters.damaged_logs;
    spdlog::error("the log of rank {} is read up to byte {}: {}: {}", index, good, damage,
                  describe(key_));
  }
  if (rank == nullptr) rank = join(index, spec_, nullptr);
  const std::lock_guard lock(rank->mutex);
  rank->log->resume(good);
  if (rank->next_sequence() > 0) rank->log->commit(rank->next_sequence() - 1);
}

void Series::replay(Rank& rank, uint32_t index, const LogReader::Record& record,
                    std::vector<ClassifierRecord>& confirmed) {
  const std::lock_guard lock(rank.mutex);
  if (rank.closed) throw DataLoss("a record follows the end of the rank");
  switch (record.type) {
    case RecordType::kBatch:
      if (!batch_spec_) throw DataLoss("what the rank has opened has no batches");
      return replay_batch(rank, record.place,
                          parse_batch(record.body, batch_spec_->type, spec_.dim));
    case RecordType::kClassifier: {
      ClassifierRecord array = parse_classifier(record.body);
      if (array.values.empty()) {
        confirmed.push_back(array);
        return;
      }
      ClassifierValues values;
      values.memory = services_.memory.reserve(array.values.size_bytes(), "classifier");
      values.values.assign(array.values.begin(), array.values.end());
      return classifier_.submit(index, array.array, std::move(values));
    }
    case RecordType::kClose: {
      const CloseRecord close = parse_close(record.body);
      if (close.batches != rank.next_sequence()) {
        throw DataLoss("expected the end after " + std::to_string(rank.next_sequence()) +
                       " batches, got it after " + std::to_string(close.batches));
      }
      return mark_closed(rank, index, rank.accumulator ? rank.accumulator->samples() : 0,
                         close.partial);
    }
    case RecordType::kState:
      return replay_state(rank, index, parse_state(record.body));
    case RecordType::kOpen:
      break;
  }
  throw DataLoss("a second opening of the rank");
}

void Series::replay_batch(Rank& rank, uint64_t place, const BatchRecord& record) {
  if (record.sequence != rank.next_sequence()) {
    throw DataLoss("expected batch " + std::to_string(rank.next_sequence()) + ", got " +
                   std::to_string(record.sequence));
  }
  if (rank.memory.bytes() == 0) {
    rank.memory = services_.accumulator_memory().reserve(
        Accumulator::bytes_needed(spec_.num_classes, spec_.dim, batch_spec_->type,
                                  services_.devices.math()),
        "accumulator of " + describe(key_));
  }
  sample_ids_.restore(record.sample_ids, record.batch.labels, record.duplicates, services_.memory);
  accumulate(rank, record.batch, record.dropped);
  rank.samples.found(place, record.batch);
  rank.checksums.push_back(record.checksum);
  rank.received = record.sequence + 1;
  ++(record.batch.predictions != nullptr ? batches_with_predictions_
                                         : batches_without_predictions_);
  ++services_.counters.replayed_batches;
}

void Series::replay_state(Rank& rank, uint32_t index, const StateRecord& record) {
  StatisticsBundle bundle;
  try {
    bundle = load_statistics(log_->state_path(index));
  } catch (const Error& error) {
    throw DataLoss(error.what());
  }
  rank.memory =
      services_.memory.reserve(state_bytes(bundle.statistics), "state of " + describe(key_));
  const uint64_t samples = bundle.statistics.samples;
  rank.state = std::move(bundle.statistics);
  rank.state_digest = record.digest;
  try {
    mark_closed(rank, index, samples, false, std::move(bundle.classifier));
  } catch (...) {
    rank.state.reset();
    rank.state_digest.reset();
    rank.memory.release();
    throw;
  }
}

}  // namespace ncscope::server
