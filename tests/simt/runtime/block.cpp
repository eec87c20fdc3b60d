#include "tests/simt/runtime/block.h"

#include <algorithm>

#include "tests/simt/runtime/run.h"

namespace ncscope::simt {

Block& block() {
  static Block* const block = new Block;
  return *block;
}

void Block::thread_main() {
  Block& self = block();
  self.body_(self.arguments_);
  self.threads_[self.current_].state = State::kEnded;
  ++self.ended_;
  fibers().pause();
}

void Block::run(dim3 shape, void (*body)(void*), void* arguments) {
  shape_ = shape;
  size_ = shape.x * shape.y * shape.z;
  body_ = body;
  arguments_ = arguments;
  at_barrier_ = ended_ = 0;
  abandoned_ = false;
  ready_.clear();
  for (Warp& warp : warps_) {
    warp.groups.clear();
    warp.seen_all = warp.exchanges;
  }
  for (unsigned i = 0; i < size_; ++i) {
    threads_[i] = Thread{};
    threads_[i].exchange = warps_[i / 32].exchanges;
    threads_[i].index = {i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y};
    fibers().start(i, &thread_main);
    ready_.push_back(i);
  }
  std::vector<unsigned> turn;
  while (ended_ < size_) {
    if (ready_.empty()) return report_divergence();
    turn.swap(ready_);
    ready_.clear();
    Walk walk(turn.size(), card().order, card().random);
    for (size_t k = 0; k < turn.size(); ++k) {
      resume(turn[walk.next()]);
      if (abandoned_) return;
    }
  }
}

void Block::resume(unsigned i) {
  current_ = i;
  const Warp& warp = warps_[i / 32];
  set_thread(threads_[i].index);
  Run& now = simt::run;
  now.stack_low = fibers().stack_low(i);
  now.stack_bytes = fibers().stack_bytes();
  now.thread = static_cast<uint16_t>(i);
  now.exchange = threads_[i].exchange;
  now.seen_all = warp.seen_all;
  now.seen = warp.seen[i % 32].data();
  in_kernel = checked();
  fibers().resume(i);
  in_kernel = false;
}

void Block::abandon() {
  abandoned_ = true;
  fibers().pause();
  __builtin_unreachable();
}

void Block::wait_for_block(const Waiting& where) {
  threads_[current_].state = State::kAtBarrier;
  threads_[current_].where = &where;
  if (at_barrier_ == 0) first_at_barrier_ = current_;
  if (where.path != threads_[first_at_barrier_].where->path) {
    fail_place("barrier at different places", first_at_barrier_);
  }
  if (++at_barrier_ == size_) {
    at_barrier_ = 0;
    ++simt::run.epoch;
    for (unsigned i = 0; i < size_; ++i) {
      threads_[i].state = State::kReady;
      ready_.push_back(i);
    }
  }
  fibers().pause();
}

unsigned Block::lanes_of(unsigned warp) const {
  const unsigned lanes = std::min(32u, size_ - warp * 32);
  return lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
}

}  // namespace ncscope::simt
