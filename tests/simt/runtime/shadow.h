// Who touched a word last, to find races.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ncscope::simt {

enum class Access { kRead, kWrite, kAtomic };

enum class Conflict { kNone, kUnwritten, kThreads, kBlocks };

// The last reads, or the last writes, of a few bytes.
struct Touches {
  uint32_t epoch;        // of the last
  uint32_t exchange;     // and of its lane's last exchange
  uint32_t lanes;        // of `warp`, since that exchange
  uint32_t other_block;  // epoch of one by another block of the launch
  uint8_t warp;
  bool by_warps;   // by another warp too, in that epoch
  uint8_t plain;   // of writes: 1 if `lanes` did not only atomics, 2 if the warp before, in `epoch`
  uint8_t levels;  // of writes, in a cell of level 0: in use are the cells of that level
};

// All zero: never touched.
struct Cell {
  Touches writes;
  Touches reads;
};

// Cells of a range of addresses. Level 0 has one for 8 bytes; where smaller pieces are accessed,
// the cells of a level below are used, down to one for each byte, so that neighbours are no race.
class Shadow {
 public:
  Shadow() = default;
  // `block_private`: each block has its own variables there, unwritten at its start.
  Shadow(uintptr_t low, size_t bytes, bool block_private);
  bool mapped() const { return cells_[0] != nullptr; }
  void release();                                // gives the address space back
  void forget(uintptr_t address, size_t bytes);  // gives memory back

  // Checks and notes an access of the running thread.
  Conflict touch(uintptr_t address, size_t bytes, Access access);

 private:
  static constexpr uintptr_t kUnit = 8;
  static constexpr unsigned kLevels = 4;

  Cell* cell(unsigned level, uintptr_t address) {
    return cells_[level] + ((address - low_) >> (3 - level));
  }
  void split(Cell& unit, uintptr_t address, unsigned level);

  uintptr_t low_ = 0;
  size_t bytes_ = 0;
  bool block_private_ = false;
  Cell* cells_[kLevels] = {};
};

}  // namespace ncscope::simt
