#include "tests/simt/runtime/fibers.h"

#include <sys/mman.h>

#include "tests/simt/runtime/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SIMT_LEAVE(save, low, bytes) __sanitizer_start_switch_fiber(save, low, bytes)
#define SIMT_ARRIVE(fake, low, bytes) __sanitizer_finish_switch_fiber(fake, low, bytes)
#define SIMT_CLEAN(low, bytes) __asan_unpoison_memory_region(low, bytes)
#else
#define SIMT_LEAVE(save, low, bytes) static_cast<void>(0)
#define SIMT_ARRIVE(fake, low, bytes) static_cast<void>(0)
#define SIMT_CLEAN(low, bytes) static_cast<void>(0)
#endif

namespace ncscope::simt {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr size_t kPage = 4096;
constexpr size_t kStackBytes = kAddressSanitizer ? size_t{256} << 10 : size_t{64} << 10;

}  // namespace

Fibers& fibers() {
  static Fibers* const fibers = new Fibers;
  return *fibers;
}

Fibers::Fibers() {
  stacks_ = static_cast<char*>(reserve(kMaxThreads * (kStackBytes + kPage)));
  // An overflow must not reach the next stack.
  for (unsigned i = 0; i < kMaxThreads; ++i) mprotect(stack(i) - kPage, kPage, PROT_NONE);
}

char* Fibers::stack(unsigned i) const { return stacks_ + i * (kStackBytes + kPage) + kPage; }

size_t Fibers::stack_bytes() const { return kStackBytes; }

struct Fibers::Entry {
  static void run(transfer_t transfer) {
    Fibers& self = fibers();
    SIMT_ARRIVE(nullptr, &self.scheduler_stack_, &self.scheduler_stack_bytes_);
    self.scheduler_ = transfer.fctx;
    self.entry_();
    __builtin_unreachable();
  }
};

void Fibers::start(unsigned i, void (*entry)()) {
  entry_ = entry;
  SIMT_CLEAN(stack(i), kStackBytes);
  // Tops at one offset in their pages would share a few lines of the cache.
  const size_t bytes = kStackBytes - i % 64 * 64;
  contexts_[i] = make_fcontext(stack(i) + bytes, bytes, &Entry::run);
}

void Fibers::resume(unsigned i) {
  SIMT_LEAVE(&fake_stack_, stack(i), kStackBytes);
  contexts_[i] = jump_fcontext(contexts_[i], nullptr).fctx;
  SIMT_ARRIVE(fake_stack_, nullptr, nullptr);
}

void Fibers::pause() {
  [[maybe_unused]] void* fake_stack = nullptr;
  SIMT_LEAVE(&fake_stack, scheduler_stack_, scheduler_stack_bytes_);
  scheduler_ = jump_fcontext(scheduler_, nullptr).fctx;
  SIMT_ARRIVE(fake_stack, &scheduler_stack_, &scheduler_stack_bytes_);
}

}  // namespace ncscope::simt
