#include "server/core/sample_ids.h"

#include <algorithm>
#include <new>

#include "kernels/batch.h"

namespace ncscope::server {
namespace {

// A node of the set and its share of the buckets; a place in the list of a rank, which doubles.
constexpr size_t kBytesPerId = 40 + 16;

}  // namespace

SampleIds::Claim SampleIds::claim(std::span<const uint64_t> ids, const int32_t* labels,
                                  uint32_t rank, MemoryBudget& budget) {
  const std::lock_guard lock(mutex_);
  const size_t wanted = (seen_.size() + ids.size()) * kBytesPerId;
  if (wanted > memory_.bytes()) {
    memory_.absorb(budget.reserve(wanted - memory_.bytes(), "identities of samples"));
  }
  Claim claim{rank, {}, {}};
  claim.added.reserve(ids.size());
  claim.duplicates.reserve(ids.size());
  std::vector<uint64_t>& of_rank = by_rank_[rank];
  if (of_rank.capacity() < of_rank.size() + ids.size()) {
    of_rank.reserve(std::max(of_rank.size() + ids.size(), 2 * of_rank.size()));
  }
  try {
    for (size_t row = 0; row < ids.size(); ++row) {
      if (labels != nullptr && labels[row] == kDroppedRow) continue;
      if (seen_.insert(ids[row]).second) {
        claim.added.push_back(ids[row]);
      } else {
        claim.duplicates.push_back(row);
      }
    }
  } catch (const std::bad_alloc&) {
    for (const uint64_t id : claim.added) seen_.erase(id);
    throw;
  }
  duplicates_ += claim.duplicates.size();
  of_rank.insert(of_rank.end(), claim.added.begin(), claim.added.end());
  return claim;
}

void SampleIds::restore(std::span<const uint64_t> ids, const int32_t* labels, uint64_t duplicates,
                        uint32_t rank, MemoryBudget& budget) {
  claim(ids, labels, rank, budget);
  const std::lock_guard lock(mutex_);
  duplicates_ += duplicates;
}

void SampleIds::give_back(const Claim& claim) {
  const std::lock_guard lock(mutex_);
  for (const uint64_t id : claim.added) seen_.erase(id);
  std::vector<uint64_t>& of_rank = by_rank_[claim.rank];
  of_rank.resize(of_rank.size() - claim.added.size());
  duplicates_ -= claim.duplicates.size();
}

size_t SampleIds::count(uint32_t rank) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_rank_.find(rank);
  return found == by_rank_.end() ? 0 : found->second.size();
}

std::vector<uint64_t> SampleIds::of_rank(uint32_t rank) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_rank_.find(rank);
  return found == by_rank_.end() ? std::vector<uint64_t>() : found->second;
}

uint64_t SampleIds::duplicates() const {
  const std::lock_guard lock(mutex_);
  return duplicates_;
}

bool SampleIds::holds(const MemoryBudget& budget) const {
  const std::lock_guard lock(mutex_);
  return memory_.is_of(budget);
}

void SampleIds::clear() {
  const std::lock_guard lock(mutex_);
  seen_ = {};
  by_rank_ = {};
  memory_.release();
}

}  // namespace ncscope::server
