// Identities of samples, by which a sample that comes twice within an epoch is counted once.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "server/core/memory_budget.h"

namespace ncscope::server {

// Those of one series, all ranks together. Thread-safe.
class SampleIds {
 public:
  // Which rows of a batch are new and which came before.
  struct Claim {
    std::vector<uint64_t> added;
    std::vector<size_t> duplicates;  // rows
  };

  // Takes the identities of the rows whose label is not kDroppedRow. Throws ResourceExhausted;
  // nothing is then taken.
  Claim claim(std::span<const uint64_t> ids, const int32_t* labels, MemoryBudget& budget);
  // Takes a claim back.
  void give_back(const Claim& claim);

  // Takes up what a log says of a batch: identities as claim(), and so many rows that came before.
  void restore(std::span<const uint64_t> ids, const int32_t* labels, uint64_t duplicates,
               MemoryBudget& budget);

  uint64_t duplicates() const;
  bool holds(const MemoryBudget& budget) const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::unordered_set<uint64_t> seen_;
  uint64_t duplicates_ = 0;
  Reservation memory_;
};

}  // namespace ncscope::server
