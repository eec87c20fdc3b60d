#include "server/core/sample_ids.h"

#include <new>

#include "kernels/batch.h"

namespace ncscope::server {
namespace {

// A node of the map and its share of the buckets.
constexpr size_t kBytesPerId = 40;

}  // namespace

SampleIds::Claim SampleIds::claim(std::span<const uint64_t> ids, const int32_t* labels,
                                  uint32_t rank, MemoryBudget& budget) {
  const std::lock_guard lock(mutex_);
  const size_t wanted = (seen_.size() + ids.size()) * kBytesPerId;
  if (wanted > memory_.bytes()) {
    memory_.absorb(budget.reserve(wanted - memory_.bytes(), "identities of samples"));
  }
  Claim claim;
  claim.added.reserve(ids.size());
  claim.duplicates.reserve(ids.size());
  try {
    for (size_t row = 0; row < ids.size(); ++row) {
      if (labels != nullptr && labels[row] == kDroppedRow) continue;
      if (seen_.emplace(ids[row], rank).second) {
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
  duplicates_ -= claim.duplicates.size();
}

std::vector<uint64_t> SampleIds::of_rank(uint32_t rank) const {
  std::vector<uint64_t> ids;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, owner] : seen_) {
    if (owner == rank) ids.push_back(id);
  }
  return ids;
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
  memory_.release();
}

}  // namespace ncscope::server
