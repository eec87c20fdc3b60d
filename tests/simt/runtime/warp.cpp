// Barriers, shuffles and votes of a warp, and what a block says when nobody can go on.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "tests/simt/runtime/block.h"
#include "tests/simt/runtime/run.h"

namespace ncscope::simt {
namespace {

const char* name_of(WarpCall call) {
  return call == WarpCall::kSync      ? "__syncwarp"
         : call == WarpCall::kShuffle ? "a shuffle"
                                      : "a vote";
}

std::string text_of(const device::Place& place) {
  const char* const file = place.file_name();
  const char* const slash = std::strrchr(file, '/');
  return (slash == nullptr ? file : slash + 1) + (":" + std::to_string(place.line()));
}

// Files of kernels keep frame pointers: a frame starts with the caller's, then where it returns.
[[gnu::always_inline]] inline Waiting waits_at(const device::Place& place) {
  Waiting where{place, place.line()};
  auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const uintptr_t last = block().first_frame();
  while (frame < last) {
    const auto* const words = reinterpret_cast<const uintptr_t*>(frame);
    where.path = where.path * 0x9e3779b97f4a7c15u + words[1];
    if (words[0] <= frame) break;
    frame = words[0];
  }
  return where;
}

}  // namespace

uint64_t Block::wait_for_warp(WarpCall call, unsigned mask, uint64_t value, unsigned operand,
                              const Waiting& where) {
  const unsigned warp = current_ / 32;
  if ((mask >> lane() & 1) == 0) {
    fail_thread("warp mask without the calling lane", 0, 0, nullptr, cudaErrorLaunchFailure);
  }
  if (call == WarpCall::kShuffle && (mask >> operand & 1) == 0) {
    fail_thread("shuffle from a lane outside the mask", 0, 0, nullptr, cudaErrorLaunchFailure);
  }
  Thread& self = threads_[current_];
  self.state = State::kAtWarpCall;
  self.call = call;
  self.mask = mask;
  self.value = value;
  self.operand = operand;
  self.where = &where;
  std::vector<Group>& groups = warps_[warp].groups;
  auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& other) {
    return other.call == call && other.mask == mask;
  });
  if (group == groups.end()) {
    group = groups.insert(groups.end(), Group{call, mask, 0, where.path});
  }
  if (group->path != where.path) {
    const int first = std::countr_zero(group->arrived);
    fail_place("warp call at different places", warp * 32 + static_cast<unsigned>(first));
  }
  group->arrived |= 1u << lane();
  if (group->arrived == mask) {
    const Group complete = *group;
    groups.erase(group);
    finish_call(warp, complete);
  }
  fibers().pause();
  return self.value;
}

void Block::finish_call(unsigned warp, const Group& group) {
  Thread* const lanes = &threads_[warp * 32];
  uint64_t given[32] = {};
  uint64_t votes = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if ((group.mask >> i & 1) == 0) continue;
    given[i] = lanes[i].value;
    if (group.call == WarpCall::kBallot && lanes[i].operand != 0) votes |= uint64_t{1} << i;
  }
  note_order(warp, group.mask);
  for (unsigned i = 0; i < 32; ++i) {
    if ((group.mask >> i & 1) == 0) continue;
    lanes[i].value = group.call == WarpCall::kShuffle ? given[lanes[i].operand] : votes;
    lanes[i].state = State::kReady;
    lanes[i].exchange = warps_[warp].exchanges;
    ready_.push_back(warp * 32 + i);
  }
}

void Block::note_order(unsigned warp, unsigned mask) {
  Warp& state = warps_[warp];
  const uint32_t exchange = ++state.exchanges;
  if (mask == lanes_of(warp)) {
    state.seen_all = exchange;
    return;
  }
  std::array<uint32_t, 32> joined{};
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) == 0) continue;
    for (unsigned j = 0; j < 32; ++j) joined[j] = std::max(joined[j], state.seen[i][j]);
  }
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0) joined[i] = exchange;
  }
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0) state.seen[i] = joined;
  }
}

std::string Block::describe(unsigned i) const {
  const Thread& thread = threads_[i];
  const std::string name = "thread " + std::to_string(i);
  if (thread.state == State::kEnded) return name + " has ended";
  const std::string place = " (" + text_of(thread.where->place) + ")";
  if (thread.state == State::kAtBarrier) return name + " waits at __syncthreads" + place;
  char mask[16];
  std::snprintf(mask, sizeof mask, "%08x", thread.mask);
  return name + " waits at " + name_of(thread.call) + " of lanes " + mask + place;
}

void Block::fail_place(const char* kind, unsigned other) {
  in_kernel = false;
  {
    const std::string here = text_of(threads_[current_].where->place);
    const bool same_line = here == text_of(threads_[other].where->place);
    report_thread(kind,
                  describe(current_) + ", " + describe(other) + (same_line ? ", another call" : ""),
                  0, cudaErrorLaunchFailure);
  }
  abandon();  // without unwinding
}

// Everybody waits: name one that does, and one that it waits for.
void Block::report_divergence() {
  unsigned waiting = 0;
  while (threads_[waiting].state == State::kEnded) ++waiting;
  const Thread& thread = threads_[waiting];
  const bool barrier = thread.state == State::kAtBarrier;
  const unsigned end = barrier ? size_ : std::min(size_, waiting / 32 * 32 + 32);
  unsigned missing = barrier ? 0 : waiting / 32 * 32;
  for (; missing < end; ++missing) {
    const Thread& other = threads_[missing];
    const bool named = barrier || (thread.mask >> missing % 32 & 1) != 0;
    const bool same_call = other.call == thread.call && other.mask == thread.mask;
    const bool there = other.state == thread.state && (barrier || same_call);
    if (named && !there) break;
  }
  simt::run.thread = static_cast<uint16_t>(waiting);
  set_thread(thread.index);
  const std::string other = missing < end ? describe(missing) : "some lanes do not exist";
  report_thread("divergent barrier", describe(waiting) + ", " + other, 0, cudaErrorLaunchFailure);
}

}  // namespace ncscope::simt

namespace ncscope::simt::device {

uint64_t shuffle(unsigned mask, uint64_t value, Shuffle kind, unsigned operand, int width,
                 Place place) {
  const unsigned lane = block().lane();
  const unsigned size = static_cast<unsigned>(width);
  const unsigned segment = lane / size * size;
  unsigned source = lane;
  switch (kind) {
    case Shuffle::kIndex:
      source = segment + operand % size;
      break;
    case Shuffle::kXor:
      source = lane ^ operand;
      break;
    case Shuffle::kDown:
      source = lane + operand;
      break;
    case Shuffle::kUp:
      source = lane - operand;
      break;
  }
  // Beyond the segment a lane gets its own value; of xor, only beyond the end.
  const bool below = source < segment && kind != Shuffle::kXor;
  if (source >= segment + size || below) source = lane;
  return block().wait_for_warp(WarpCall::kShuffle, mask, value, source, waits_at(place));
}

unsigned ballot(unsigned mask, bool predicate, Place place) {
  return static_cast<unsigned>(
      block().wait_for_warp(WarpCall::kBallot, mask, 0, predicate ? 1u : 0u, waits_at(place)));
}

void sync_warp(unsigned mask, Place place) {
  // Lanes may come to another one: without a path, all are one.
  block().wait_for_warp(WarpCall::kSync, mask, 0, 0, Waiting{place, 0});
}

void start_thread(const void* frame) {
  block().set_first_frame(reinterpret_cast<uintptr_t>(frame));
}

void sync_threads(Place place) { block().wait_for_block(waits_at(place)); }

}  // namespace ncscope::simt::device
