// Causes that only a server has, beside those of kernels/errors.h. One table turns each into a
// status (server/grpc/status.h).
#pragma once

#include "kernels/errors.h"

namespace ncscope::server {

class MemoryBudget;

// There is no such run, report or state.
class NotFound : public Error {
 public:
  using Error::Error;
};

// The request is right by itself but comes at the wrong time: a gap, a Close too early.
class FailedPrecondition : public Error {
 public:
  using Error::Error;
};

// The same thing is there already, with other content.
class AlreadyExists : public Error {
 public:
  using Error::Error;
};

// A stated budget or the disk is used up. The text says what to do about it.
class ResourceExhausted : public Error {
 public:
  using Error::Error;
};

// A budget is used up: what holds some of it could make room.
class BudgetExhausted : public ResourceExhausted {
 public:
  BudgetExhausted(const std::string& text, const MemoryBudget& budget)
      : ResourceExhausted(text), budget_(&budget) {}
  const MemoryBudget& budget() const { return *budget_; }

 private:
  const MemoryBudget* budget_;
};

// More than a whole budget is asked for: no waiting makes room.
class BeyondBudget : public ResourceExhausted {
 public:
  using ResourceExhausted::ResourceExhausted;
};

// Somebody else took over: a newer stream of the same rank, a higher attempt.
class Aborted : public Error {
 public:
  using Error::Error;
};

// The server is shutting down; another one may answer soon.
class Unavailable : public Error {
 public:
  using Error::Error;
};

// The caller is gone.
class Cancelled : public Error {
 public:
  using Error::Error;
};

}  // namespace ncscope::server
