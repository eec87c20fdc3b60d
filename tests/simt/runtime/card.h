// The state of the one card, behind one mutex.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "cuda_runtime.h"
#include "tests/simt/simt.h"

namespace ncscope::simt {

// Small, seeded, the same everywhere (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }  // n > 0

 private:
  uint64_t state_;
};

// Visits 0 .. n-1 once each, in an order of the mode.
class Walk {
 public:
  Walk(uint64_t n, Order order, Random& random);
  // The next index; valid n times.
  uint64_t next() {
    const uint64_t now = at_;
    at_ += step_;
    if (at_ >= n_) at_ -= n_;
    return now;
  }

 private:
  uint64_t n_;
  uint64_t at_ = 0;
  uint64_t step_ = 1;
};

struct PlannedFault {
  Fault kind;
  int calls_left;
  int code;
};

struct Card {
  Card();

  std::recursive_mutex mutex;
  Order order = Order::kRandom;
  Copies copies = Copies::kStaged;
  Random random;
  size_t memory_bytes;
  int devices;
  cudaError_t sticky = cudaSuccess;
  std::vector<Finding> findings;
  std::vector<PlannedFault> faults;
};

// Made at first use and never destroyed: handles may be freed by static destructors.
Card& card();
using Lock = std::lock_guard<std::recursive_mutex>;

// Counts a call; the code that it shall fail with, or 0.
int take_fault(Fault kind);
// Errors that a real card never recovers from.
bool is_sticky(int code);

// Records it, prints it, and fails the card.
void report(Finding finding, cudaError_t error);

// The error that cudaGetLastError() gives to this thread.
cudaError_t& last_error();
cudaError_t remember(cudaError_t error);

// Body of a runtime function: takes the card, and keeps its error.
template <class F>
cudaError_t call(F&& body) {
  const Lock lock(card().mutex);
  if (card().devices == 0) return remember(cudaErrorInsufficientDriver);
  if (card().sticky != cudaSuccess) return remember(card().sticky);
  const cudaError_t status = body();
  return remember(card().sticky != cudaSuccess ? card().sticky : status);
}

}  // namespace ncscope::simt
