#include "server/core/memory_budget.h"

#include <utility>

#include "server/core/errors.h"
#include "server/core/text.h"

namespace ncscope::server {

Reservation::Reservation(Reservation&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Reservation::absorb(Reservation&& other) {
  if (budget_ == nullptr) budget_ = other.budget_;
  bytes_ += std::exchange(other.bytes_, 0);
  other.budget_ = nullptr;
}

void Reservation::shrink(size_t bytes) {
  if (bytes >= bytes_) return;
  budget_->give_back(bytes_ - bytes);
  bytes_ = bytes;
}

void Reservation::release() {
  if (budget_ != nullptr) budget_->give_back(bytes_);
  budget_ = nullptr;
  bytes_ = 0;
}

Reservation MemoryBudget::reserve(size_t bytes, const std::string& purpose) {
  const std::lock_guard lock(mutex_);
  if (bytes > limit_ - used_) {
    const std::string text = purpose + ": needs " + format_bytes(bytes) + ", but " +
                             format_bytes(used_) + " of the budget of " + format_bytes(limit_) +
                             " are in use";
    if (bytes > limit_) throw BeyondBudget(text + "; raise " + option_);
    throw BudgetExhausted(text + "; try again when an epoch has been reported, or raise " + option_,
                          *this);
  }
  used_ += bytes;
  return {*this, bytes};
}

size_t MemoryBudget::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

void MemoryBudget::give_back(size_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ -= bytes;
}

}  // namespace ncscope::server
