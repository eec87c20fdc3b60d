// How the ranks of a Series close, and who makes the report.
#include <algorithm>
#include <exception>
#include <utility>

#include "proto/convert/statistics_file.h"
#include "server/core/errors.h"
#include "server/core/series.h"
#include "server/log/failpoint.h"

namespace ncscope::server {
namespace {

// A held report that could not be made is tried again: nobody waits to close once more.
constexpr std::chrono::seconds kFirstRetry{10};
constexpr std::chrono::seconds kLongestRetry{300};

std::chrono::seconds retry_after(uint32_t failures) {
  return std::min(kLongestRetry, kFirstRetry * (1u << std::min(failures - 1, 5u)));
}

}  // namespace

void Series::close(uint32_t index, uint64_t session, uint64_t batches, bool partial) {
  Rank& rank = rank_at(index);
  const std::lock_guard lock(rank.mutex);
  require_writer(rank, session);
  if (rank.state_digest) {
    throw AlreadyExists("rank " + std::to_string(index) +
                        " has been closed by a state: " + describe(key_));
  }
  if (batches != rank.next_sequence()) {
    throw FailedPrecondition("Close: expected " + std::to_string(rank.next_sequence()) +
                             " batches as received, got " + std::to_string(batches));
  }
  if (!rank.broken.empty()) {
    throw FailedPrecondition("Close: the rank's state was lost (" + rank.broken +
                             "); open a higher attempt: " + describe(key_));
  }
  if (rank.closed) {
    if (rank.log) rank.log->wait_durable();  // after a restart it may not be yet
    return;
  }
  if (rank.upload) rank.upload->check_complete();
  close_rank(rank, index, partial);
}

void Series::close_rank(Rank& rank, uint32_t index, bool partial) {
  const SmallBody body(CloseRecord{rank.next_sequence(), partial});
  const uint64_t before = log_record(rank, index, RecordType::kClose, body.parts()).before;
  try {
    failpoint("close.logged");
    if (rank.log) rank.log->wait_durable();
    mark_closed(rank, index, rank.accumulator ? rank.accumulator->samples() : 0, partial);
  } catch (...) {
    if (rank.log) rank.log->truncate(before);
    throw;
  }
  failpoint("close.marked");
}

uint64_t Series::log_state(Rank& rank, uint32_t index, const StatisticsBundle& bundle,
                           uint32_t digest) {
  if (!rank.log) return 0;
  log_->make_folder();
  try {
    save_statistics(log_->state_path(index), bundle);
  } catch (const Error& error) {
    throw ResourceExhausted("the state cannot be stored, send it again: " +
                            std::string(error.what()));
  }
  failpoint("state.stored");
  const SmallBody body(StateRecord{digest});
  const RecordType type = bundle.decisions ? RecordType::kDecided : RecordType::kState;
  const uint64_t before = log_record(rank, index, type, body.parts()).before;
  try {
    rank.log->wait_durable();
  } catch (...) {
    rank.log->truncate(before);
    throw;
  }
  failpoint("state.logged");
  return before;
}

bool Series::close_with_state(uint32_t index, const SeriesSpec& spec, StatisticsBundle&& bundle,
                              uint32_t digest, Reservation&& memory) {
  Rank* rank = join(index, spec, nullptr);
  if (rank == nullptr) return false;
  const std::lock_guard lock(rank->mutex);
  if (rank->next_sequence() > 0) {
    throw AlreadyExists("rank " + std::to_string(index) +
                        " streams samples already: " + describe(key_));
  }
  if (rank->closed && rank->state_digest != digest) {
    throw AlreadyExists("rank " + std::to_string(index) +
                        " has been closed with other content: " + describe(key_));
  }
  if (rank->closed) {
    if (rank->log) rank->log->wait_durable();
    return true;
  }
  {
    const std::lock_guard series_lock(mutex_);
    if (drop_reason_) return false;
  }
  const uint64_t samples = bundle.statistics.samples;
  const uint64_t before = log_state(*rank, index, bundle, digest);
  // A stream without batches may be open; if the state is refused, it goes on.
  Reservation streamed = std::move(rank->memory);
  try {
    rank->take_state(std::move(bundle), digest, std::move(memory));
    mark_closed(*rank, index, samples, false, std::move(bundle.classifier));
  } catch (...) {
    if (rank->log) rank->log->truncate(before);
    rank->drop_state();
    rank->memory = std::move(streamed);
    throw;
  }
  rank->owner = 0;  // a stream that sent nothing is over
  return true;
}

void Series::mark_closed(Rank& rank, uint32_t index, uint64_t samples, bool partial,
                         std::optional<Classifier> classifier) {
  const std::lock_guard lock(mutex_);
  if (drop_reason_) throw Aborted(*drop_reason_);
  uint64_t total = 0;
  if (__builtin_add_overflow(closed_samples_, samples, &total)) {
    throw InvalidArgument("Close: expected fewer than 2^64 samples in all, got " +
                          std::to_string(samples) + " and " + std::to_string(closed_samples_) +
                          " before: " + describe(key_));
  }
  // Refused while the rank can still mend it.
  const bool last = closed_ + 1 == spec_.world_size;
  if (last && total == 0) {
    throw FailedPrecondition("Close: expected at least one sample, got N = 0: " + describe(key_));
  }
  if (classifier) {
    classifier_.submit(index, std::move(*classifier));
  } else if (last) {
    classifier_.check_consistent();
  }
  rank.closed = true;
  used_ = true;
  ++closed_;
  closed_samples_ = total;
  partial_ = partial_ || partial;
  last_used_ = std::chrono::steady_clock::now();
  if (last) complete_since_ = last_used_;
}

std::optional<CloseResult> Series::hold() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return phase_ != Phase::kReporting || drop_reason_; });
  if (phase_ != Phase::kStreaming || closed_ < spec_.world_size) return std::nullopt;
  held_ = true;
  return CloseResult{closed_, spec_.world_size, nullptr};
}

std::optional<std::chrono::steady_clock::time_point> Series::held_since() const {
  const std::lock_guard lock(mutex_);
  const bool open = phase_ == Phase::kStreaming || phase_ == Phase::kReporting;
  if (!held_ || !open) return std::nullopt;
  return complete_since_;
}

bool Series::failed_lately() const {
  const std::lock_guard lock(mutex_);
  return std::chrono::steady_clock::now() < retry_at_;
}

bool Series::complete() const {
  const std::lock_guard lock(mutex_);
  const bool open = phase_ == Phase::kStreaming || phase_ == Phase::kReporting;
  return open && !drop_reason_ && closed_ == spec_.world_size;
}

CloseResult Series::report_if_complete() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return phase_ != Phase::kReporting || drop_reason_; });
    if (drop_reason_) throw Aborted(*drop_reason_);
    if (phase_ == Phase::kReported) return {closed_, spec_.world_size, report_};
    if (closed_ < spec_.world_size) return {closed_, spec_.world_size, nullptr};
    phase_ = Phase::kReporting;
  }
  try {
    make_report();
  } catch (...) {
    ++services_.counters.report_failures;
    {
      const std::lock_guard lock(mutex_);
      ++failures_;
      retry_at_ = std::chrono::steady_clock::now() + retry_after(failures_);
    }
    end_reporting();
    throw;
  }
  free_all();
  const std::lock_guard lock(mutex_);
  return {closed_, spec_.world_size, report_};
}

}  // namespace ncscope::server
