#include "server/core/series.h"

#include <utility>

#include "server/core/errors.h"

namespace ncscope::server {
namespace {

// So many times the report of a complete series may fail until its room is worth more.
constexpr uint32_t kHopelessFailures = 5;

}  // namespace

Series::Series(SeriesKey key, const v1::Open& open, const SeriesSpec& spec,
               std::shared_ptr<SeriesLog> log, Services& services)
    : key_(std::move(key)),
      open_(open),
      spec_(spec),
      log_(std::move(log)),
      services_(services),
      ranks_(spec.world_size),
      last_used_(std::chrono::steady_clock::now()) {}

Rank* Series::join(uint32_t rank, const SeriesSpec& spec, const BatchSpec* batches) {
  const std::lock_guard lock(mutex_);
  if (drop_reason_) return nullptr;
  require_same(spec_, spec);
  if (batches != nullptr) {
    if (batch_spec_) {
      require_same(*batch_spec_, *batches);
    } else {
      batch_spec_ = *batches;
    }
  }
  if (!ranks_[rank]) {
    ranks_[rank] =
        std::make_unique<Rank>(services_.samples, log_ ? log_->new_rank(rank) : nullptr, rank);
  }
  return ranks_[rank].get();
}

std::optional<uint64_t> Series::attach(uint32_t rank_index, const SeriesSpec& spec,
                                       const BatchSpec& batches, uint64_t session) {
  Rank* rank = join(rank_index, spec, &batches);
  if (rank == nullptr) return std::nullopt;
  const std::lock_guard lock(rank->mutex);
  if (!rank->closed) reserve_accumulator(*rank, batches.type);
  const std::lock_guard series_lock(mutex_);
  if (drop_reason_) {
    rank->memory.release();
    return std::nullopt;
  }
  if (rank->owner != 0) ++services_.counters.taken_over_streams;
  rank->owner = session;
  rank->connected = true;
  ++sessions_;
  used_ = true;
  return rank->next_sequence();
}

void Series::reserve_accumulator(Rank& rank, DType type) {
  if (rank.memory.bytes() > 0) return;
  rank.memory = services_.accumulator_memory().reserve(
      Accumulator::bytes_needed(spec_.num_classes, spec_.dim, type, services_.devices.math()),
      "accumulator of " + describe(key_));
}

void Series::detach(uint32_t index, uint64_t session) {
  Rank& rank = rank_at(index);
  if (rank.log) rank.log->end_on_durable(session);
  const std::lock_guard rank_lock(rank.mutex);
  if (rank.owner == session) {
    rank.owner = 0;
    // A stream that brought nothing keeps no memory: attach() reserves it anew.
    const bool empty = rank.checksums.empty() && !rank.accumulator && !rank.upload && !rank.closed;
    if (empty && !rank.state) rank.memory.release();
  }
  const bool gone = rank.owner == 0;
  const std::lock_guard lock(mutex_);
  --sessions_;
  last_used_ = std::chrono::steady_clock::now();
  if (!gone) return;
  rank.connected = false;
  rank.last_seen = last_used_;
}

Rank* Series::find_rank(uint32_t rank) {
  const std::lock_guard lock(mutex_);
  return ranks_[rank].get();
}

Rank& Series::rank_at(uint32_t rank) { return *find_rank(rank); }

std::optional<uint64_t> Series::durable_sequence(uint32_t rank) {
  const auto& log = rank_at(rank).log;
  return log ? log->durable_sequence() : std::nullopt;
}

bool Series::is_over(uint32_t index, uint64_t session) {
  const Rank& rank = rank_at(index);
  const std::lock_guard lock(mutex_);
  return rank.owner != session || drop_reason_ || lost_its_log(rank);
}

// What has closed or is reported needs its log no more, and whoever asks again gets an answer.
bool Series::lost_its_log(const Rank& rank) const {
  return phase_ == Phase::kStreaming && !rank.closed && rank.log && !rank.log->failure().empty();
}

void Series::require_going(uint32_t index, uint64_t session) {
  const Rank& rank = rank_at(index);
  require_writer(rank, session);
  const std::lock_guard lock(mutex_);
  if (lost_its_log(rank)) rank.log->require_good();
}

void Series::on_durable(uint32_t rank, uint64_t session, std::function<void()> changed) {
  const Rank& of = rank_at(rank);
  if (!of.log) return;
  of.log->on_durable(session, std::move(changed), [&of, session] { return of.owner == session; });
}

std::string Series::opening(uint32_t index) const {
  v1::Open open = open_;
  open.set_rank(index);
  {
    const std::lock_guard lock(mutex_);
    if (batch_spec_) write_batch_spec(*batch_spec_, open);
  }
  return open.SerializeAsString();
}

void Series::log_open(Rank& rank, uint32_t index) {
  const std::string bytes = opening(index);
  rank.log->append(RecordType::kOpen, {std::as_bytes(std::span(bytes))});
}

Series::Logged Series::log_record(Rank& rank, uint32_t index, RecordType type,
                                  const BodyParts& body) {
  if (!rank.log) return {};
  Logged logged{.before = rank.log->size()};
  try {
    if (logged.before == 0) log_open(rank, index);
    logged.place = rank.log->append(type, body);
  } catch (...) {
    rank.log->truncate(logged.before);
    throw;
  }
  return logged;
}

void Series::require_writer(const Rank& rank, uint64_t session) const {
  const std::lock_guard lock(mutex_);
  if (drop_reason_) throw Aborted(*drop_reason_);
  if (rank.owner != session) {
    throw Aborted("a newer stream of the same rank took over: " + describe(key_));
  }
}

void Series::require_open(const Rank& rank, uint32_t index) const {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kReported) {
    throw AlreadyExists(describe(key_) + " is reported already; open attempt " +
                        std::to_string(attempt() + 1) + " to measure it anew");
  }
  if (rank.closed) {
    throw FailedPrecondition("rank " + std::to_string(index) + " has closed after " +
                             std::to_string(rank.next_sequence()) + " batches: " + describe(key_));
  }
}

void Series::drop(const std::string& reason) {
  bool reporting = false;
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == Phase::kReported || drop_reason_) return;
    drop_reason_ = reason;
    changed_.notify_all();
    if (phase_ != Phase::kReporting) {
      phase_ = Phase::kDropped;
    } else {
      reporting = true;
    }
  }
  if (!reporting) return free_all();
  // Whoever makes the report sees the reason when it is done, and frees. The log goes at once, so
  // that nobody finds it after a crash; what reads it has it open.
  if (log_) log_->remove(true);
}

bool Series::drop_if_unused() {
  const std::lock_guard lock(mutex_);
  if (used_) return false;
  drop_reason_ = "not used";
  phase_ = Phase::kDropped;
  return true;
}

bool Series::is_alive(std::chrono::steady_clock::duration absence) const {
  const std::lock_guard lock(mutex_);
  if (broken_) return false;
  return sessions_ > 0 || phase_ == Phase::kReporting ||
         std::chrono::steady_clock::now() - last_used_ < absence;
}

std::optional<std::string> Series::lost() const {
  const std::lock_guard lock(mutex_);
  return used_ ? drop_reason_ : std::nullopt;
}

void Series::free_all() {
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank* const rank = find_rank(index);
    if (rank == nullptr) continue;
    const std::lock_guard lock(rank->mutex);
    rank->free_state();
  }
  classifier_.clear();
  sample_ids_.clear();
  groups_.clear();
  merged_.reset();
  // The log of what is reported may come back after a power cut: it is known by its report.
  if (log_) log_->remove(!reported());
  const std::lock_guard lock(mutex_);
  merged_memory_.release();
}

bool Series::reported() const {
  const std::lock_guard lock(mutex_);
  return phase_ == Phase::kReported;
}

std::optional<std::chrono::steady_clock::time_point> Series::idle_since() const {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kStreaming || sessions_ > 0) return std::nullopt;
  return last_used_;
}

bool Series::holds(const MemoryBudget& budget) {
  {
    const std::lock_guard lock(mutex_);
    if (merged_memory_.is_of(budget)) return true;
  }
  if (classifier_.holds(budget) || sample_ids_.holds(budget)) return true;
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank* const rank = find_rank(index);
    if (rank == nullptr) continue;
    const std::lock_guard lock(rank->mutex);
    if (rank->memory.is_of(budget) || (rank->upload && rank->upload->holds(budget))) return true;
  }
  return false;
}

bool Series::drop_if_idle(std::chrono::steady_clock::duration age, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::kStreaming || sessions_ > 0 ||
        std::chrono::steady_clock::now() - last_used_ < age) {
      return false;
    }
    if (closed_ == spec_.world_size && failures_ < kHopelessFailures) return false;
    drop_reason_ = reason;
    phase_ = Phase::kDropped;
    changed_.notify_all();
  }
  free_all();
  return true;
}

}  // namespace ncscope::server
