// How far a Series has come, and what becomes of it where ranks do not come back.
#include <algorithm>

#include "server/core/errors.h"
#include "server/core/series.h"

namespace ncscope::server {
namespace {

std::string rank_text(const SeriesStatus::Missing& rank) {
  const std::string text = "rank " + std::to_string(rank.rank) + " has not closed after " +
                           std::to_string(rank.batches) + " batches and ";
  if (!rank.broken.empty()) {
    return text + "its state was lost (" + rank.broken +
           "): open a higher attempt, or ask for a partial report";
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(rank.absence).count();
  return text + "was not streamed for " + std::to_string(seconds) +
         " s: open it again to go on, or ask for a partial report";
}

}  // namespace

std::string SeriesStatus::lost_text() const {
  if (state != State::kLost) return "";
  const auto is_lost = [](const Missing& rank) { return rank.lost; };
  const auto others = std::ranges::count_if(missing, is_lost) - 1;
  std::string text = rank_text(*std::ranges::find_if(missing, is_lost));
  if (others > 0) text += "; " + std::to_string(others) + " other ranks are lost too";
  return text;
}

SeriesStatus Series::status() const {
  const auto now = std::chrono::steady_clock::now();
  SeriesStatus status;
  const std::lock_guard lock(mutex_);
  status.closed = closed_;
  if (phase_ == Phase::kReporting) {
    status.state = SeriesStatus::State::kReporting;
  } else if (closed_ == spec_.world_size) {
    status.state = SeriesStatus::State::kComplete;
  }
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    const Rank* const rank = ranks_[index].get();
    if (rank != nullptr && rank->closed) continue;
    SeriesStatus::Missing missing;
    missing.rank = index;
    if (rank != nullptr) {
      missing.connected = rank->connected;
      missing.batches = rank->received;
      missing.broken = rank->broken;
      if (missing.broken.empty() && rank->log) missing.broken = rank->log->failure();
    }
    const auto since = rank == nullptr ? begun_ : rank->last_seen;
    if (!missing.connected) missing.absence = now - since;
    missing.lost = !missing.broken.empty() || missing.absence > services_.limits.lease;
    if (missing.lost && status.state == SeriesStatus::State::kStreaming) {
      status.state = SeriesStatus::State::kLost;
    }
    status.missing.push_back(std::move(missing));
  }
  return status;
}

void Series::require_partial() {
  uint64_t samples = 0;
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank* const rank = find_rank(index);
    if (rank == nullptr) continue;
    const std::lock_guard rank_lock(rank->mutex);
    const std::lock_guard lock(mutex_);
    samples += rank->accumulator ? rank->accumulator->samples() : 0;
    samples += rank->state ? rank->state->samples : 0;
    if (rank->closed || !rank->connected) continue;
    throw FailedPrecondition("rank " + std::to_string(index) +
                             " is being streamed; end its stream first: " + describe(key_));
  }
  const std::lock_guard lock(mutex_);
  if (samples > 0 || closed_samples_ > 0) return;
  throw FailedPrecondition("expected at least one sample, got none yet: " + describe(key_));
}

void Series::close_missing() {
  require_partial();
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank* const rank = join(index, spec_, nullptr);
    if (rank == nullptr) throw Aborted(*lost());
    const std::lock_guard lock(rank->mutex);
    if (rank->closed) continue;
    {
      const std::lock_guard series_lock(mutex_);
      if (drop_reason_) throw Aborted(*drop_reason_);
    }
    if (!rank->broken.empty()) {
      // Nothing that is right can be made of it; what is left of its log ends here too.
      rank->accumulator.reset();
      rank->samples.clear();
    }
    rank->upload.reset();
    if (!rank->log || rank->log->failure().empty()) {
      close_rank(*rank, index, true);
    } else {
      // Nothing is noted: after a crash before the report it would have to be asked for again.
      mark_closed(*rank, index, rank->accumulator ? rank->accumulator->samples() : 0, true);
    }
  }
}

}  // namespace ncscope::server
