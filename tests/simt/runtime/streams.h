// Deferred work: a queue per stream, emptied by calls that wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "cuda_runtime.h"

namespace ncscope::simt {

// Records are numbered; the n-th is done once the stream gets there.
struct EventState {
  uint64_t recorded = 0;
  uint64_t done = 0;
  std::chrono::steady_clock::time_point when{};
};

struct Work {
  std::function<void()> run;
  std::shared_ptr<EventState> awaited;  // if any, runs once its record `number` is done
  uint64_t number = 0;
  bool bookkeeping = false;  // also runs when the queue is dropped
};

// The stream of a handle, or null if it is none.
CUstream_st* find_stream(cudaStream_t stream);

// Puts work at the end; a deferred call fails the card by card().sticky.
void enqueue(CUstream_st* stream, std::function<void()> run);

// Runs heads of queues, of any stream whose turn it is, until `done` holds.
void drain(const std::function<bool()>& done);
void drain_stream(CUstream_st* stream);
void drain_all();
void drop_queues();

}  // namespace ncscope::simt

struct CUstream_st {
  bool blocking = false;  // orders itself with the default stream
  std::deque<ncscope::simt::Work> queue;
};

struct CUevent_st {
  bool timed = false;
  std::shared_ptr<ncscope::simt::EventState> state;
};
