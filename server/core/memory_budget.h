// A budget of bytes that is asked before memory is allocated.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <utility>

namespace ncscope::server {

class MemoryBudget;

// A share of a budget; given back when it ends. Movable. Used by one thread at a time.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() { release(); }

  // Takes over the bytes of another share of the same budget.
  void absorb(Reservation&& other);
  // Gives back what is beyond `bytes`.
  void shrink(size_t bytes);
  void release();
  size_t bytes() const { return bytes_; }
  bool is_of(const MemoryBudget& budget) const { return bytes_ > 0 && budget_ == &budget; }

 private:
  friend class MemoryBudget;
  Reservation(MemoryBudget& budget, size_t bytes) : budget_(&budget), bytes_(bytes) {}

  MemoryBudget* budget_ = nullptr;
  size_t bytes_ = 0;
};

// Thread-safe. Outlives its reservations.
class MemoryBudget {
 public:
  // `option` is the one that raises the limit.
  MemoryBudget(size_t limit, std::string option) : limit_(limit), option_(std::move(option)) {}

  // Throws BudgetExhausted or BeyondBudget, saying what `purpose` needs, what is in use and when to
  // try again.
  Reservation reserve(size_t bytes, const std::string& purpose);

  size_t used() const;
  size_t limit() const { return limit_; }

 private:
  friend class Reservation;
  void give_back(size_t bytes);

  const size_t limit_;
  const std::string option_;
  mutable std::mutex mutex_;
  size_t used_ = 0;
};

}  // namespace ncscope::server
