// Identities of samples, by which a sample that comes twice within an epoch is counted once.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "server/core/memory_budget.h"

namespace ncscope::server {

// Those of one series, all ranks together. Thread-safe.
class SampleIds {
 public:
  // Which rows of a batch are new and which came before.
  struct Claim {
    uint32_t rank = 0;
    std::vector<uint64_t> added;
    std::vector<size_t> duplicates;  // rows
  };

  // Takes the identities of the rows whose label is not kDroppedRow, for a rank. Throws
  // ResourceExhausted; nothing is then taken.
  Claim claim(std::span<const uint64_t> ids, const int32_t* labels, uint32_t rank,
              MemoryBudget& budget);
  // Takes a claim back, the last one of its rank.
  void give_back(const Claim& claim);

  // Takes up what a log says: identities as claim(), all of them where `labels` is null, and so
  // many rows that came before.
  void restore(std::span<const uint64_t> ids, const int32_t* labels, uint64_t duplicates,
               uint32_t rank, MemoryBudget& budget);

  // Those that came from a rank, in their order.
  size_t count(uint32_t rank) const;
  std::vector<uint64_t> of_rank(uint32_t rank) const;

  uint64_t duplicates() const;
  bool holds(const MemoryBudget& budget) const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::unordered_set<uint64_t> seen_;
  std::unordered_map<uint32_t, std::vector<uint64_t>> by_rank_;  // the same
  uint64_t duplicates_ = 0;
  Reservation memory_;
};

}  // namespace ncscope::server
