#include "tests/simt/runtime/shadow.h"

#include <sys/mman.h>

#include "tests/simt/runtime/memory.h"
#include "tests/simt/runtime/run.h"

namespace ncscope::simt {
namespace {

constexpr uint8_t kPlainLately = 1;
constexpr uint8_t kPlainBefore = 2;

// Whether what a lane of this warp did after its exchange `exchange` came before now.
bool seen(unsigned lane, uint32_t exchange) {
  return exchange < run.seen_all || exchange < run.seen[lane];
}

bool other_block(uint32_t epoch) { return epoch >= run.launch_epoch && epoch < run.block_epoch; }

// Whether another thread of the block was there, and no barrier since.
bool unordered(const Touches& touches) {
  if (touches.epoch != run.epoch) return false;
  if (touches.by_warps || touches.warp != run.thread / 32) return true;
  uint32_t others = touches.lanes & ~(1u << (run.thread % 32));
  for (; others != 0; others &= others - 1) {
    if (!seen(static_cast<unsigned>(__builtin_ctz(others)), touches.exchange)) return true;
  }
  return false;
}

bool by_other_block(const Touches& touches) {
  return other_block(touches.epoch) || touches.other_block >= run.launch_epoch;
}

void note(Touches& touches, bool plain) {
  const uint32_t lane = 1u << (run.thread % 32);
  const uint8_t warp = static_cast<uint8_t>(run.thread / 32);
  if (touches.epoch == run.epoch) {
    if (touches.warp != warp) {
      touches.by_warps = true;
      touches.plain |= kPlainLately * plain;
      return;
    }
    if (run.exchange < touches.exchange) return;
    if (run.exchange == touches.exchange) {
      touches.lanes |= lane;
      touches.plain |= kPlainLately * plain;
      return;
    }
    // Older ones came before the exchange, in all but odd uses of partial masks.
    touches.plain = touches.plain != 0 ? kPlainBefore : 0;
  } else {
    if (other_block(touches.epoch)) touches.other_block = touches.epoch;
    touches.by_warps = false;
    touches.plain = 0;
  }
  touches.epoch = run.epoch;
  touches.exchange = run.exchange;
  touches.lanes = lane;
  touches.warp = warp;
  touches.plain |= kPlainLately * plain;
}

// Atomics get along with each other; of this warp, what came before an exchange is no matter.
bool only_atomic(const Touches& writes) {
  const bool mine = !writes.by_warps && writes.warp == run.thread / 32;
  return (writes.plain & (mine ? kPlainLately : kPlainLately | kPlainBefore)) == 0;
}

inline Conflict touch_cell(Cell& cell, Access access, bool block_private) {
  if (block_private && access != Access::kWrite && cell.writes.epoch < run.block_epoch) {
    return Conflict::kUnwritten;
  }
  if (access != Access::kAtomic || !only_atomic(cell.writes)) {
    if (unordered(cell.writes)) return Conflict::kThreads;
    if (!block_private && by_other_block(cell.writes)) return Conflict::kBlocks;
  }
  if (access == Access::kRead) {
    note(cell.reads, false);
    return Conflict::kNone;
  }
  if (unordered(cell.reads)) return Conflict::kThreads;
  if (!block_private && by_other_block(cell.reads)) return Conflict::kBlocks;
  note(cell.writes, access == Access::kWrite);
  return Conflict::kNone;
}

}  // namespace

Shadow::Shadow(uintptr_t low, size_t bytes, bool block_private)
    : low_(low & ~(kUnit - 1)), bytes_(bytes + 2 * kUnit), block_private_(block_private) {
  for (unsigned level = 0; level < kLevels; ++level) {
    cells_[level] = static_cast<Cell*>(reserve(bytes_ / (kUnit >> level) * sizeof(Cell)));
  }
}

void Shadow::release() {
  for (unsigned level = 0; level < kLevels; ++level) {
    munmap(cells_[level], bytes_ / (kUnit >> level) * sizeof(Cell));
  }
}

void Shadow::forget(uintptr_t address, size_t bytes) {
  for (unsigned level = 0; level < kLevels; ++level) {
    give_pages_back(cell(level, address), bytes / (kUnit >> level) * sizeof(Cell));
  }
}

void Shadow::split(Cell& unit, uintptr_t address, unsigned level) {
  const uintptr_t start = address & ~(kUnit - 1);
  for (uintptr_t part = start; part < start + kUnit; part += kUnit >> level) {
    // Parts that are split further keep what they know.
    *cell(level, part) = *cell(unit.writes.levels, part);
    cell(level, part)->writes.levels = 0;
  }
  unit.writes.levels = static_cast<uint8_t>(level);
}

Conflict Shadow::touch(uintptr_t address, size_t bytes, Access access) {
  if (bytes == kUnit && address % kUnit == 0) {
    Cell& unit = *cell(0, address);
    if (unit.writes.levels == 0) return touch_cell(unit, access, block_private_);
  }
  const uintptr_t end = address + bytes;
  while (address < end) {
    // The largest piece that starts here.
    unsigned level = 0;
    while ((address & ((kUnit >> level) - 1)) != 0 || end - address < kUnit >> level) ++level;
    Cell& unit = *cell(0, address);
    if (unit.writes.levels < level) split(unit, address, level);
    level = unit.writes.levels;
    const Conflict conflict = touch_cell(*cell(level, address), access, block_private_);
    if (conflict != Conflict::kNone) return conflict;
    address += kUnit >> level;
  }
  return Conflict::kNone;
}

}  // namespace ncscope::simt
