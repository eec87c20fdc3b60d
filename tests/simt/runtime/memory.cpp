#include "tests/simt/runtime/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simt/runtime/card.h"
#include "tests/simt/runtime/checks.h"

namespace ncscope::simt {
namespace {

constexpr size_t kArenaBytes = size_t{8} << 30;
constexpr size_t kRedZone = 256;
constexpr int kPoison = 0xff;  // NaN in every float type, -1 in integers
constexpr int kRedZonePattern = 0xfd;
constexpr size_t kRememberedFrees = 4096;

// Of an allocation's place in the arena.
size_t span_of(size_t bytes) { return (kRedZone + bytes + kRedZone + 511) / 512 * 512; }

bool all_equal(const uint8_t* data, size_t bytes, int value) {
  for (size_t i = 0; i < bytes; ++i) {
    if (data[i] != value) return false;
  }
  return true;
}

}  // namespace

void* reserve(size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    std::fprintf(stderr, "simt: no address space for %zu bytes\n", bytes);
    std::abort();
  }
  madvise(data, bytes, MADV_DONTDUMP);
  return data;
}

void give_pages_back(void* data, size_t bytes) {
  constexpr uintptr_t kPage = 4096;
  const uintptr_t start = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / kPage * kPage;
  if (start < end) madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
}

Memory& memory() {
  static Memory* const memory = new Memory;
  return *memory;
}

// AddressSanitizer only sees what comes from malloc.
Memory::Memory() {
  if (kAddressSanitizer) return;
  low_ = next_ = reinterpret_cast<uintptr_t>(reserve(kArenaBytes));
  size_ = kArenaBytes;
  free_[low_] = size_;
  if (checked()) states_ = static_cast<uint8_t*>(reserve(kArenaBytes));
}

void* Memory::allocate(size_t bytes, bool pinned) {
  uintptr_t address = 0;
  if (kAddressSanitizer) {
    void* data = nullptr;
    if (posix_memalign(&data, 256, bytes) != 0) return nullptr;
    address = reinterpret_cast<uintptr_t>(data);
  } else {
    const uintptr_t start = take(span_of(bytes));
    if (start == 0) return nullptr;
    std::memset(reinterpret_cast<void*>(start), kRedZonePattern, span_of(bytes));
    address = start + kRedZone;
  }
  void* data = reinterpret_cast<void*>(address);
  std::memset(data, kPoison, bytes);
  allocations_[address] = {address, bytes, pinned};
  // The host's writes to pinned memory are not seen.
  mark(data, bytes, pinned ? kWritten : kAllocated);
  ++count_[pinned];
  used_[pinned] += bytes;
  return data;
}

bool Memory::release(void* pointer, bool pinned) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  const auto found = allocations_.find(address);
  if (found == allocations_.end() || found->second.pinned != pinned) return false;
  const Allocation gone = found->second;
  allocations_.erase(found);
  --count_[pinned];
  used_[pinned] -= gone.bytes;
  if (kAddressSanitizer) {
    std::free(pointer);
    return true;
  }
  const uintptr_t start = address - kRedZone;
  const size_t span = span_of(gone.bytes);
  const uint8_t* data = reinterpret_cast<const uint8_t*>(pointer);
  if (!all_equal(data - kRedZone, kRedZone, kRedZonePattern) ||
      !all_equal(data + gone.bytes, span - kRedZone - gone.bytes, kRedZonePattern)) {
    Finding finding;
    finding.kind = "red zone written";
    finding.address = address;
    finding.text = "red zone written: around the allocation of " + std::to_string(gone.bytes) +
                   " bytes that is freed";
    report(finding, cudaErrorIllegalAddress);
  }
  mark(pointer, gone.bytes, kNone);
  std::memset(pointer, kRedZonePattern, gone.bytes);
  if (gone.bytes >= 65536) {
    give_pages_back(pointer, gone.bytes);
    forget_checks(address, gone.bytes);
  }
  give_back(start, span);
  freed_.push_back(gone);
  if (freed_.size() > kRememberedFrees) freed_.pop_front();
  return true;
}

const Allocation* Memory::find(const void* pointer) const {
  const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  const Allocation& allocation = std::prev(after)->second;
  return address < allocation.address + allocation.bytes ? &allocation : nullptr;
}

bool Memory::holds(const void* pointer, size_t bytes) const {
  const Allocation* allocation = find(pointer);
  if (allocation == nullptr) return false;
  const size_t offset = reinterpret_cast<uintptr_t>(pointer) - allocation->address;
  return bytes <= allocation->bytes - offset;
}

bool Memory::was_freed(uintptr_t address) const {
  for (const Allocation& gone : freed_) {
    if (address - gone.address < gone.bytes) return true;
  }
  return false;
}

void Memory::mark(const void* pointer, size_t bytes, ByteState state) {
  if (!tracked()) return;
  std::memset(states_ + (reinterpret_cast<uintptr_t>(pointer) - low_), state, bytes);
}

void Memory::copy_states(void* to, const void* from, size_t bytes) {
  if (!tracked()) return;
  std::memmove(states_ + (reinterpret_cast<uintptr_t>(to) - low_),
               states_ + (reinterpret_cast<uintptr_t>(from) - low_), bytes);
}

size_t Memory::written_prefix(const void* pointer, size_t bytes) const {
  if (!tracked()) return bytes;
  const uint8_t* state = states_ + (reinterpret_cast<uintptr_t>(pointer) - low_);
  size_t i = 0;
  while (i + 8 <= bytes) {
    uint64_t eight;
    std::memcpy(&eight, state + i, 8);
    if (eight != 0x0303030303030303u) break;
    i += 8;
  }
  while (i < bytes && state[i] == kWritten) ++i;
  return i;
}

uintptr_t Memory::take(size_t bytes) {
  // From next_ to the end, then from the start.
  const auto take_from = [&](uintptr_t start) -> uintptr_t {
    auto range = free_.upper_bound(start);
    if (range != free_.begin()) --range;
    for (; range != free_.end(); ++range) {
      const uintptr_t at = std::max(range->first, start);
      const uintptr_t end = range->first + range->second;
      if (at >= end || end - at < bytes) continue;
      const uintptr_t before = at - range->first;
      if (before > 0) {
        range->second = before;
      } else {
        free_.erase(range);
      }
      if (end - at > bytes) free_[at + bytes] = end - at - bytes;
      return at;
    }
    return 0;
  };
  uintptr_t start = take_from(next_);
  if (start == 0) start = take_from(low_);
  if (start == 0) return 0;
  next_ = start + bytes;
  std::erase_if(freed_, [&](const Allocation& gone) {
    return gone.address < start + bytes && start < gone.address + gone.bytes;
  });
  return start;
}

void Memory::give_back(uintptr_t start, size_t bytes) {
  auto after = free_.lower_bound(start);
  if (after != free_.end() && after->first == start + bytes) {
    bytes += after->second;
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == start) {
      before->second += bytes;
      return;
    }
  }
  free_[start] = bytes;
}

}  // namespace ncscope::simt
