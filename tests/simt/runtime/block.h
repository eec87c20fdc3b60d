// Runs the threads of one block after another, and lets them wait for each other.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simt/runtime/card.h"
#include "tests/simt/runtime/fibers.h"

namespace ncscope::simt {

enum class WarpCall : uint8_t { kSync, kShuffle, kBallot };

// Where a thread waits. One function may be called from many places of a kernel, so the way there
// counts too.
struct Waiting {
  device::Place place;
  uint64_t path = 0;  // hash of the return addresses down to the kernel's start
};

class Block {
 public:
  // `body` is what each thread runs. Stops at the first finding.
  void run(dim3 shape, void (*body)(void*), void* arguments);

  // Called by the running thread.
  void wait_for_block(const Waiting& where);
  // `operand` is the lane whose value a shuffle wants, or a vote's predicate.
  uint64_t wait_for_warp(WarpCall call, unsigned mask, uint64_t value, unsigned operand,
                         const Waiting& where);
  unsigned lane() const { return current_ % 32; }
  // The frame of the function that calls the kernel.
  uintptr_t first_frame() const { return threads_[current_].first_frame; }
  void set_first_frame(uintptr_t frame) { threads_[current_].first_frame = frame; }
  // Ends the block; the running thread is not resumed.
  [[noreturn]] void abandon();

 private:
  enum class State : uint8_t { kReady, kAtBarrier, kAtWarpCall, kEnded };
  struct Thread {
    uint3 index{};
    State state = State::kReady;
    WarpCall call = WarpCall::kSync;
    unsigned mask = 0;
    unsigned operand = 0;
    uint64_t value = 0;  // given, then received
    uint32_t exchange = 0;
    uintptr_t first_frame = 0;
    const Waiting* where = nullptr;  // on the thread's stack
  };
  // Lanes that wait in the same call with the same mask.
  struct Group {
    WarpCall call;
    unsigned mask;
    unsigned arrived;
    uint64_t path;  // of the first lane
  };
  struct Warp {
    uint32_t exchanges = 0;
    uint32_t seen_all = 0;
    std::array<std::array<uint32_t, 32>, 32> seen{};  // [lane][other lane]
    std::vector<Group> groups;
  };

  static void thread_main();
  void resume(unsigned i);
  void finish_call(unsigned warp, const Group& group);
  void note_order(unsigned warp, unsigned mask);
  unsigned lanes_of(unsigned warp) const;
  void report_divergence();
  // Ends the block: the running thread waits elsewhere than `other`.
  [[noreturn]] void fail_place(const char* kind, unsigned other);
  std::string describe(unsigned i) const;

  dim3 shape_;
  unsigned size_ = 0;
  void (*body_)(void*) = nullptr;
  void* arguments_ = nullptr;
  unsigned current_ = 0;
  unsigned at_barrier_ = 0;
  unsigned first_at_barrier_ = 0;
  unsigned ended_ = 0;
  bool abandoned_ = false;
  std::array<Thread, kMaxThreads> threads_;
  std::array<Warp, kMaxThreads / 32> warps_;
  std::vector<unsigned> ready_;
};

Block& block();

}  // namespace ncscope::simt
