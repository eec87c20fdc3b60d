// Device and pinned memory: a registry of allocations and, where accesses are checked, one state
// byte beside every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

namespace ncscope::simt {

// NCSCOPE_SIMT_HOOKS: kernels are compiled with callbacks at their accesses.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

// Zeroed address space that takes memory only where it is touched.
void* reserve(size_t bytes);
// Gives the whole pages in a range back; they read zero then.
void give_pages_back(void* data, size_t bytes);

// States of a byte. kWritten includes the bit of kAllocated.
enum ByteState : uint8_t { kNone = 0, kAllocated = 1, kWritten = 3 };

struct Allocation {
  uintptr_t address = 0;
  size_t bytes = 0;
  bool pinned = false;
};

class Memory {
 public:
  Memory();

  // Filled with poison, 256-byte aligned, red zones around it. Null: no room.
  void* allocate(size_t bytes, bool pinned);
  // False: no such allocation. Reports red zones that were written.
  bool release(void* pointer, bool pinned);
  // The allocation that holds the byte, or null.
  const Allocation* find(const void* pointer) const;
  bool holds(const void* pointer, size_t bytes) const;
  // Whether the byte was in an allocation that is freed, among the last of them.
  bool was_freed(uintptr_t address) const;

  // No state bytes: everything counts as written.
  bool tracked() const { return states_ != nullptr; }
  uintptr_t low() const { return low_; }
  size_t size() const { return size_; }
  uint8_t* states() const { return states_; }  // [size()]
  void mark(const void* pointer, size_t bytes, ByteState state);
  void copy_states(void* to, const void* from, size_t bytes);
  // How many bytes of the range are written before the first that is not.
  size_t written_prefix(const void* pointer, size_t bytes) const;

  size_t count(bool pinned) const { return count_[pinned]; }
  size_t used(bool pinned) const { return used_[pinned]; }

 private:
  uintptr_t take(size_t bytes);
  void give_back(uintptr_t start, size_t bytes);

  uintptr_t low_ = 0;
  size_t size_ = 0;
  uint8_t* states_ = nullptr;
  std::map<uintptr_t, Allocation> allocations_;
  std::map<uintptr_t, size_t> free_;  // start, bytes; neighbours are joined
  uintptr_t next_ = 0;                // where to look for room first, so that reuse comes late
  std::deque<Allocation> freed_;
  size_t count_[2] = {};
  size_t used_[2] = {};
};

Memory& memory();

}  // namespace ncscope::simt
