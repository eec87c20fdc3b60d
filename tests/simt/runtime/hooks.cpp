// The callbacks that -fsanitize=thread puts at the accesses of kernels, those of
// -fsanitize=alignment and bounds-strict, and what memcpy is in a kernel. Each names its address;
// the access itself follows when it returns, so that of a faulty one it must not.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simt/runtime/block.h"
#include "tests/simt/runtime/checks.h"
#include "tests/simt/runtime/memory.h"
#include "tests/simt/runtime/run.h"
#include "tests/simt/runtime/segments.h"

namespace ncscope::simt {

Run run;
constinit thread_local bool in_kernel = false;

namespace {

struct Checks {
  uintptr_t low = memory().low();
  size_t size = memory().size();
  uint8_t* states = memory().states();
  Shadow device{memory().low(), memory().size(), false};
  Segments segments{};
};

Checks& checks() {
  static Checks* const checks = new Checks;
  return *checks;
}

// The same, without the guard of a local static.
Checks* active = nullptr;

bool all_have(const uint8_t* states, size_t bytes, uint8_t wanted) {
  if (bytes == 8 || bytes == 4) {
    uint64_t value = 0x0303030303030303u;
    std::memcpy(&value, states, bytes);
    const uint64_t mask = wanted * 0x0101010101010101u;
    return (value & mask) == mask;
  }
  for (size_t i = 0; i < bytes; ++i) {
    if ((states[i] & wanted) != wanted) return false;
  }
  return true;
}

[[noreturn]] void fail_race(Conflict conflict, uintptr_t address, size_t bytes, const void* code) {
  if (conflict == Conflict::kUnwritten) {
    fail_thread("read of unwritten shared memory", address, bytes, code, cudaErrorIllegalAddress);
  }
  const char* kind = conflict == Conflict::kBlocks ? "race between blocks" : "race between threads";
  fail_thread(kind, address, bytes, code, cudaErrorLaunchFailure);
}

void check_device(uintptr_t address, size_t bytes, Access access, const void* code) {
  uint8_t* states = active->states + (address - active->low);
  if (!all_have(states, bytes, kAllocated)) {
    const char* kind = memory().was_freed(address) ? "use after free"
                       : access == Access::kRead   ? "out of bounds read"
                                                   : "out of bounds write";
    fail_thread(kind, address, bytes, code, cudaErrorIllegalAddress);
  }
  if (access != Access::kWrite && !all_have(states, bytes, kWritten)) {
    fail_thread("read of unwritten global memory", address, bytes, code, cudaErrorIllegalAddress);
  }
  const Conflict conflict = active->device.touch(address, bytes, access);
  if (conflict != Conflict::kNone) fail_race(conflict, address, bytes, code);
  if (access != Access::kRead) std::memset(states, kWritten, bytes);
}

bool within(uintptr_t address, size_t bytes, uintptr_t low, size_t size) {
  return address - low < size && bytes <= size - (address - low);
}

void check_elsewhere(uintptr_t address, size_t bytes, Access access, const void* code) {
  if (access == Access::kRead) {
    if (within(address, bytes, run.arguments_low, run.arguments_bytes) || is_index(address)) return;
  }
  Segment* segment = active->segments.find(address);
  if (segment == nullptr || !within(address, bytes, segment->low, segment->bytes)) {
    fail_thread(address < 4096 ? "kernel touched a null pointer" : "kernel touched host memory",
                address, bytes, code, cudaErrorIllegalAddress);
  }
  if (!segment->is_kernels(address, bytes)) {
    fail_thread("kernel touched host memory", address, bytes, code, cudaErrorIllegalAddress);
  }
  if (!segment->writable) {
    if (access == Access::kRead) return;
    fail_thread("write to constant memory", address, bytes, code, cudaErrorIllegalAddress);
  }
  const Conflict conflict = segment->shadow.touch(address, bytes, access);
  if (conflict != Conflict::kNone) fail_race(conflict, address, bytes, code);
}

}  // namespace

void start_checks() {
  active = &checks();
  active->segments.refresh();
}

void forget_checks(uintptr_t address, size_t bytes) {
  if (active != nullptr) active->device.forget(address, bytes);
}

void check_access(uintptr_t address, size_t bytes, Access access, const void* code) {
  if (within(address, bytes, run.stack_low, run.stack_bytes)) return;
  if (address - active->low < active->size) {
    check_device(address, bytes, access, code);
  } else {
    check_elsewhere(address, bytes, access, code);
  }
}

void check_aligned(uintptr_t address, size_t bytes, Access access, const void* code) {
  if (address % bytes != 0) {
    fail_thread("misaligned access", address, bytes, code, cudaErrorMisalignedAddress);
  }
  check_access(address, bytes, access, code);
}

}  // namespace ncscope::simt

using namespace ncscope::simt;

#if NCSCOPE_SIMT_HOOKS

#define SIMT_CODE __builtin_return_address(0)
#define SIMT_ADDRESS reinterpret_cast<uintptr_t>(address)

#define SIMT_HOOKS(bytes)                                                          \
  void __tsan_read##bytes(void* address) {                                         \
    if (in_kernel) check_aligned(SIMT_ADDRESS, bytes, Access::kRead, SIMT_CODE);   \
  }                                                                                \
  void __tsan_write##bytes(void* address) {                                        \
    if (in_kernel) check_aligned(SIMT_ADDRESS, bytes, Access::kWrite, SIMT_CODE);  \
  }                                                                                \
  void __tsan_unaligned_read##bytes(void* address) {                               \
    if (in_kernel) check_access(SIMT_ADDRESS, bytes, Access::kRead, SIMT_CODE);    \
  }                                                                                \
  void __tsan_unaligned_write##bytes(void* address) {                              \
    if (in_kernel) check_access(SIMT_ADDRESS, bytes, Access::kWrite, SIMT_CODE);   \
  }                                                                                \
  void __tsan_volatile_read##bytes(void* address) { __tsan_read##bytes(address); } \
  void __tsan_volatile_write##bytes(void* address) { __tsan_write##bytes(address); }

namespace {

// What -fsanitize=alignment says about a place: its layout is fixed by compilers' runtimes.
struct AlignmentSite {
  const char* file;
  uint32_t line;
  uint32_t column;
  const void* type;
  unsigned char log_alignment;
  unsigned char kind;
};

void fail_alignment(const AlignmentSite* site, uintptr_t address, const void* code) {
  const size_t alignment = size_t{1} << site->log_alignment;
  if (in_kernel) {
    fail_thread("misaligned access", address, alignment, code, cudaErrorMisalignedAddress);
  }
  std::fprintf(stderr, "simt: misaligned access of the host at %s:%u\n", site->file, site->line);
  std::abort();
}

// The start of what -fsanitize=bounds-strict says.
struct BoundsSite {
  const char* file;
  uint32_t line;
  uint32_t column;
};

std::string text_of(const BoundsSite& site, uintptr_t index) {
  return "index " + std::to_string(static_cast<intptr_t>(index)) + " at " + site.file + ":" +
         std::to_string(site.line);
}

void fail_bounds(const BoundsSite* site, uintptr_t index) {
  if (in_kernel) {
    in_kernel = false;
    report_thread("out of bounds of an array", text_of(*site, index), 0, cudaErrorIllegalAddress);
    block().abandon();
  }
  std::fprintf(stderr, "simt: out of bounds of an array of the host: %s\n",
               text_of(*site, index).c_str());
  std::abort();
}

void check_block(const void* data, size_t bytes, Access access, const void* code) {
  if (!in_kernel || bytes == 0) return;
  check_access(reinterpret_cast<uintptr_t>(data), bytes, access, code);
}

}  // namespace

// The compiler calls them; nothing declares them.
#pragma GCC diagnostic ignored "-Wmissing-declarations"
extern "C" {
SIMT_HOOKS(1)
SIMT_HOOKS(2)
SIMT_HOOKS(4)
SIMT_HOOKS(8)
SIMT_HOOKS(16)

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

void __tsan_read_range(void* address, size_t bytes) {
  if (in_kernel && bytes > 0) check_access(SIMT_ADDRESS, bytes, Access::kRead, SIMT_CODE);
}
void __tsan_write_range(void* address, size_t bytes) {
  if (in_kernel && bytes > 0) check_access(SIMT_ADDRESS, bytes, Access::kWrite, SIMT_CODE);
}
void __ubsan_handle_type_mismatch_v1(AlignmentSite* site, uintptr_t address) {
  fail_alignment(site, address, SIMT_CODE);
}
void __ubsan_handle_type_mismatch_v1_abort(AlignmentSite* site, uintptr_t address) {
  fail_alignment(site, address, SIMT_CODE);
}
void __ubsan_handle_out_of_bounds(BoundsSite* site, uintptr_t index) { fail_bounds(site, index); }
void __ubsan_handle_out_of_bounds_abort(BoundsSite* site, uintptr_t index) {
  fail_bounds(site, index);
}
void __tsan_vptr_read(void** address) { __tsan_read8(address); }
void __tsan_vptr_update(void** address, void*) { __tsan_write8(address); }
}

// See simt_memory.h.
extern "C" {
void* ncscope_simt_memcpy(void* to, const void* from, size_t bytes) {
  check_block(from, bytes, Access::kRead, SIMT_CODE);
  check_block(to, bytes, Access::kWrite, SIMT_CODE);
  return std::memcpy(to, from, bytes);
}
void* ncscope_simt_memmove(void* to, const void* from, size_t bytes) {
  check_block(from, bytes, Access::kRead, SIMT_CODE);
  check_block(to, bytes, Access::kWrite, SIMT_CODE);
  return std::memmove(to, from, bytes);
}
void* ncscope_simt_memset(void* to, int value, size_t bytes) {
  check_block(to, bytes, Access::kWrite, SIMT_CODE);
  return std::memset(to, value, bytes);
}
int ncscope_simt_memcmp(const void* a, const void* b, size_t bytes) {
  check_block(a, bytes, Access::kRead, SIMT_CODE);
  check_block(b, bytes, Access::kRead, SIMT_CODE);
  return std::memcmp(a, b, bytes);
}
}

#endif  // NCSCOPE_SIMT_HOOKS
