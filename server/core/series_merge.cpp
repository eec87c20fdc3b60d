// How the ranks of a Series that is complete become one state.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "kernels/jackknife.h"
#include "server/core/errors.h"
#include "server/core/series.h"

namespace ncscope::server {
namespace {

size_t merged_bytes(size_t classes, size_t dim) { return classes * dim * 8 + dim * dim * 8; }

}  // namespace

void Series::merge_ranks(Device& device) {
  if (merged_) return;
  const size_t world = spec_.world_size;
  const bool grouped = spec_.report.standard_errors;
  groups_.resize(grouped ? jackknife_groups(world) : 1);
  for (; merged_ranks_ < spec_.world_size; ++merged_ranks_) {
    Rank& rank = rank_at(merged_ranks_);
    if (rank.accumulator) {
      rank.state = rank.accumulator->finish(device);
      rank.accumulator.reset();
    }
    if (rank.state) {
      Statistics& sum = groups_[grouped ? jackknife_group(merged_ranks_, world) : 0];
      sum = sum.dim == 0 ? std::move(*rank.state) : merge(device, sum, *rank.state);
    }
    rank.state.reset();
  }
  std::erase_if(groups_, [](const Statistics& group) { return group.dim == 0; });
  if (grouped) {
    merged_ = merge_all(device, groups_);
  } else {
    merged_ = std::move(groups_.at(0));
    groups_.clear();
  }
}

bool Series::begin_reporting() {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kStreaming || closed_ < spec_.world_size) return false;
  phase_ = Phase::kReporting;
  return true;
}

void Series::end_reporting() {
  bool dropped = false;
  {
    const std::lock_guard lock(mutex_);
    dropped = drop_reason_.has_value();
    phase_ = dropped ? Phase::kDropped : Phase::kStreaming;
    changed_.notify_all();
  }
  if (dropped) free_all();
}

size_t Series::keep_merged(Reservation host, const MemoryBudget& budget) {
  size_t bytes = merged_bytes(merged_->present(), merged_->dim);
  for (const Statistics& group : groups_) bytes += merged_bytes(group.present(), group.dim);
  size_t freed = 0;
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank& rank = rank_at(index);
    const std::lock_guard lock(rank.mutex);
    if (rank.decisions) bytes += rank.decisions->bytes();
    if (rank.memory.is_of(budget)) freed += rank.memory.bytes();
    if (rank.memory.is_of(services_.memory)) {
      host.absorb(std::move(rank.memory));
    } else {
      rank.memory.release();
    }
  }
  host.shrink(bytes);
  if (host.is_of(budget)) freed -= std::min(freed, host.bytes());
  const std::lock_guard lock(mutex_);
  merged_memory_ = std::move(host);
  return freed;
}

bool Series::free_accumulators(const MemoryBudget& budget) {
  {
    const std::lock_guard lock(mutex_);
    if (merged_memory_.bytes() > 0) return false;
  }
  bool some = false;
  for (uint32_t index = 0; index < spec_.world_size; ++index) {
    Rank* const rank = find_rank(index);
    if (rank == nullptr) return false;
    const std::lock_guard lock(rank->mutex);
    some = some || rank->memory.is_of(budget);
  }
  if (!some || !begin_reporting()) return false;
  size_t freed = 0;
  try {
    Reservation host;
    if (&services_.accumulator_memory() != &services_.memory) {
      const size_t states =
          1 + (spec_.report.standard_errors ? jackknife_groups(spec_.world_size) : 0);
      host = services_.memory.reserve(states * merged_bytes(spec_.num_classes, spec_.dim),
                                      "merged state of " + describe(key_));
    }
    services_.devices.run(DevicePool::Job::kReport, [&](Device& device) { merge_ranks(device); });
    freed = keep_merged(std::move(host), budget);
  } catch (const std::exception& error) {  // whoever wants the room finds other ways
    spdlog::warn("cannot merge {}: {}", describe(key_), error.what());
  }
  end_reporting();
  return freed > 0;
}

}  // namespace ncscope::server
