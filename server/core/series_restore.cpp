// A Series from the log that an earlier server has left.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "proto/convert/statistics_file.h"
#include "server/core/errors.h"
#include "server/core/series.h"

namespace ncscope::server {
namespace {

// Checksums say that a record is as it was written, not that this series may be made of it.
void require_labels(const int32_t* labels, size_t rows, int32_t least, size_t num_classes) {
  if (std::all_of(labels, labels + rows, [&](int32_t label) {
        return label >= least && label < static_cast<int64_t>(num_classes);
      })) {
    return;
  }
  throw DataLoss("a batch has a label that is not in [0, " + std::to_string(num_classes) + ")");
}

BatchRecord parse_batch_of(const SeriesSpec& spec, DType type, std::span<const std::byte> body) {
  const BatchRecord record = parse_batch(body, type, spec.dim);
  const Batch& batch = record.batch;
  require_labels(batch.labels, batch.rows, kDroppedRow, spec.num_classes);
  if (batch.predictions != nullptr) {
    require_labels(batch.predictions, batch.rows, 0, spec.num_classes);
  }
  return record;
}

ClassifierRecord parse_classifier_of(const SeriesSpec& spec, std::span<const std::byte> body) {
  const ClassifierRecord record = parse_classifier(body);
  const size_t expected =
      record.array == ClassifierArray::kWeight ? spec.num_classes * spec.dim : spec.num_classes;
  if (record.values.size() != expected) {
    throw DataLoss("expected a classifier's array of " + std::to_string(expected) +
                   " elements, got " + std::to_string(record.values.size()));
  }
  return record;
}

size_t state_bytes(const StatisticsBundle& bundle) {
  const Statistics& state = bundle.statistics;
  const size_t columns = state.dim + (bundle.decisions ? 7 : 3);
  return (state.present() * columns + state.dim * state.dim) * sizeof(double);
}

// Sums that only another kind of device can go on from; nothing is damaged.
struct OtherDevice : Error {
  using Error::Error;
};

}  // namespace

// What a rank has sent of the classifier, as its log says.
struct Series::ReplayedClassifier {
  std::optional<ClassifierValues> weight;
  std::optional<ClassifierValues> bias;

  void take(const ClassifierRecord& record, MemoryBudget& budget) {
    ClassifierValues values;
    values.memory = budget.reserve(record.values.size_bytes(), "classifier");
    values.values.assign(record.values.begin(), record.values.end());
    if (record.drops_bias) bias.reset();
    (record.array == ClassifierArray::kWeight ? weight : bias) = std::move(values);
  }

  // Only what it sent last counts: ranks may have sent others before, each in its own order.
  void submit(uint32_t rank, SharedClassifier& classifier) {
    if (weight) classifier.submit(rank, ClassifierArray::kWeight, *std::exchange(weight, {}));
    if (bias) classifier.submit(rank, ClassifierArray::kBias, *std::exchange(bias, {}));
  }
};

void Series::restore() {
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    if (std::filesystem::exists(log_->rank_path(index))) restore_rank(index);
  }
  const std::lock_guard lock(mutex_);
  used_ = true;
  last_used_ = std::chrono::steady_clock::now();
  if (closed_ < spec_.world_size) return;
  // Nobody asks for its report any more, perhaps.
  held_ = true;
  complete_since_ = last_used_;
}

void Series::restore_rank(uint32_t index) {
  LogReader reader(log_->rank_path(index));
  uint64_t good = 0;
  std::string damage;
  Rank* rank = nullptr;
  ReplayedClassifier classifier;
  const auto attempt = [&](const auto& action) {
    try {
      action();
    } catch (const InvalidArgument& error) {
      damage = error.what();
    } catch (const DataLoss& error) {
      damage = error.what();
    } catch (const FailedPrecondition& error) {
      damage = error.what();
    } catch (const AlreadyExists& error) {
      damage = error.what();
    }
    return damage.empty();
  };
  try {
    while (const auto record = reader.next()) {
      const bool taken = attempt([&] {
        if (record->type == RecordType::kOpen && rank == nullptr) {
          rank = replay_open(index, record->body);
        } else if (rank == nullptr) {
          throw DataLoss("what the rank has opened is missing");
        } else {
          replay(*rank, index, reader, *record, classifier);
        }
      });
      if (!taken) break;
      good = reader.good_bytes();
    }
  } catch (const OtherDevice& error) {
    return leave_to_another_device(*rank, index, error.what());
  }
  // A classifier that was refused, and not taken back yet, is the last thing in a log.
  if (rank != nullptr) attempt([&] { classifier.submit(index, classifier_); });
  if (damage.empty()) damage = reader.damage();
  if (!damage.empty()) {
    ++services_.counters.damaged_logs;
    spdlog::error("the log of rank {} is read up to byte {}: {}: {}", index, good, damage,
                  describe(key_));
  }
  if (reader.damaged_samples() > 0) {
    spdlog::warn("{} batches of rank {} are damaged and left out of nc4: {}",
                 reader.damaged_samples(), index, describe(key_));
  }
  if (rank == nullptr) rank = join(index, spec_, nullptr);
  const std::lock_guard lock(rank->mutex);
  rank->log->resume(good);
  if (rank->next_sequence() > 0) rank->log->commit(rank->next_sequence() - 1);
}

void Series::leave_to_another_device(Rank& rank, uint32_t index, const std::string& why) {
  const std::string text = "its sums need the --backend and --math they were made with: " + why;
  spdlog::error("rank {} is lost until a server has those: {}: {}", index, text, describe(key_));
  const std::lock_guard lock(rank.mutex);
  rank.log->give_up(text);
  rank.memory.release();
  const std::lock_guard series_lock(mutex_);
  rank.broken = text;
  broken_ = true;
}

Rank* Series::replay_open(uint32_t index, std::span<const std::byte> body) {
  v1::Open open;
  if (!open.ParseFromArray(body.data(), static_cast<int>(body.size())) || open.rank() != index) {
    throw DataLoss("what the rank has opened cannot be read");
  }
  if (parse_key(open.key()) != key_ || open.attempt() != attempt()) {
    throw DataLoss("the log is of " + describe(parse_key(open.key())) + ", attempt " +
                   std::to_string(open.attempt()));
  }
  const bool streams = open.data_type() != v1::DATA_TYPE_UNSPECIFIED;
  const BatchSpec batches = streams ? parse_batch_spec(open) : BatchSpec();
  return join(index, parse_series_spec(open, services_.limits), streams ? &batches : nullptr);
}

void Series::require_batches() const {
  if (!batch_spec_) throw DataLoss("what the rank has opened has no batches");
}

void Series::replay(Rank& rank, uint32_t index, const LogReader& reader,
                    const LogReader::Record& record, ReplayedClassifier& classifier) {
  const std::lock_guard lock(rank.mutex);
  if (rank.closed) throw DataLoss("a record follows the end of the rank");
  const uint64_t bytes = sizeof(RecordHeader) + record.body_bytes;
  switch (record.type) {
    case RecordType::kBatch:
      require_batches();
      return replay_batch(rank, index, record.place, bytes,
                          parse_batch_of(spec_, batch_spec_->type, record.body));
    case RecordType::kSample:
      require_batches();
      return replay_sample(rank, record.place, bytes,
                           parse_batch_of(spec_, batch_spec_->type, record.body));
    case RecordType::kCheckpoint:
      require_batches();
      return replay_checkpoint(rank, index, reader, record);
    case RecordType::kClassifier: {
      const ClassifierRecord values = parse_classifier_of(spec_, record.body);
      classifier.take(values, services_.memory);
      return rank.note_classifier(values.array, values.drops_bias, record.place);
    }
    case RecordType::kClose: {
      const CloseRecord close = parse_close(record.body);
      if (close.batches != rank.next_sequence()) {
        throw DataLoss("expected the end after " + std::to_string(rank.next_sequence()) +
                       " batches, got it after " + std::to_string(close.batches));
      }
      classifier.submit(index, classifier_);
      return mark_closed(rank, index, rank.accumulator ? rank.accumulator->samples() : 0,
                         close.partial);
    }
    case RecordType::kState:
    case RecordType::kDecided:
      return replay_state(rank, index, parse_state(record.body),
                          record.type == RecordType::kDecided);
    case RecordType::kOpen:
      break;
  }
  throw DataLoss("a second opening of the rank");
}

void Series::replay_batch(Rank& rank, uint32_t index, uint64_t place, uint64_t bytes,
                          const BatchRecord& record) {
  if (record.sequence != rank.next_sequence()) {
    throw DataLoss("expected batch " + std::to_string(rank.next_sequence()) + ", got " +
                   std::to_string(record.sequence));
  }
  reserve_accumulator(rank, batch_spec_->type);
  sample_ids_.restore(record.sample_ids, record.batch.labels, record.duplicates, index,
                      services_.memory);
  rank.duplicates += record.duplicates;
  accumulate(rank, record.batch, record.dropped);
  rank.samples.found(record.sequence, place, bytes, record.batch, false);
  rank.checksums.push_back(record.checksum);
  rank.received = record.sequence + 1;
  ++(record.batch.predictions != nullptr ? batches_with_predictions_
                                         : batches_without_predictions_);
  ++services_.counters.replayed_batches;
}

void Series::replay_sample(Rank& rank, uint64_t place, uint64_t bytes, const BatchRecord& record) {
  if (record.sequence >= rank.restored_batches) {
    throw DataLoss("a sample of batch " + std::to_string(record.sequence) +
                   ", of which the checkpoint knows nothing");
  }
  rank.samples.found(record.sequence, place, bytes, record.batch, true);
}

void Series::replay_checkpoint(Rank& rank, uint32_t index, const LogReader& reader,
                               const LogReader::Record& record) {
  if (rank.next_sequence() > 0) throw DataLoss("a checkpoint follows batches");
  const ReadCheckpoint checkpoint =
      read_checkpoint(record.body_bytes, [&](uint64_t offset, void* out, size_t bytes) {
        reader.read_body(record, offset, out, bytes);
      });
  reserve_accumulator(rank, batch_spec_->type);
  uint64_t offset = checkpoint.image_offset;
  services_.devices.run(DevicePool::Job::kBatch, [&](Device& device) {
    Accumulator accumulator(device, spec_.num_classes, spec_.dim, batch_spec_->type);
    try {
      accumulator.load(device, record.body_bytes - offset, [&](void* out, size_t bytes) {
        reader.read_body(record, offset, out, bytes);
        offset += bytes;
      });
    } catch (const InvalidArgument& error) {
      throw OtherDevice(error.what());
    }
    rank.accumulator = std::move(accumulator);
  });
  sample_ids_.restore(checkpoint.sample_ids, nullptr, checkpoint.duplicates, index,
                      services_.memory);
  rank.duplicates = checkpoint.duplicates;
  rank.checksums = checkpoint.checksums;
  rank.received = rank.checksums.size();
  rank.restored_batches = rank.checksums.size();
  rank.samples.set_level(checkpoint.sample_level);
  (checkpoint.has_predictions ? batches_with_predictions_ : batches_without_predictions_) +=
      rank.checksums.size();
}

void Series::replay_state(Rank& rank, uint32_t index, const StateRecord& record, bool decided) {
  if (rank.next_sequence() > 0) throw DataLoss("a state follows batches");
  const auto path = log_->state_path(index);
  if (!std::filesystem::exists(path)) throw DataLoss("its state is missing");
  StatisticsBundle bundle;
  try {
    bundle = load_statistics(path);
  } catch (const InvalidArgument& error) {
    throw Error(error.what());  // it is there and cannot be opened now: no damage
  }
  const Statistics& state = bundle.statistics;
  if (state.num_classes != spec_.num_classes || state.dim != spec_.dim) {
    throw DataLoss("expected a state of K = " + std::to_string(spec_.num_classes) + ", d = " +
                   std::to_string(spec_.dim) + ", got K = " + std::to_string(state.num_classes) +
                   ", d = " + std::to_string(state.dim));
  }
  if (bundle.decisions.has_value() != decided) {
    throw DataLoss(decided ? "its decisions are missing" : "its decisions are not of this state");
  }
  Reservation memory = services_.memory.reserve(state_bytes(bundle), "state of " + describe(key_));
  const uint64_t samples = state.samples;
  try {
    rank.take_state(std::move(bundle), record.digest, std::move(memory));
    mark_closed(rank, index, samples, false, std::move(bundle.classifier));
  } catch (...) {
    rank.drop_state();
    throw;
  }
}

}  // namespace ncscope::server
