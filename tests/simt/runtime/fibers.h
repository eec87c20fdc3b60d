// One stack and one context per thread of a block, used again by every block.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>

namespace ncscope::simt {

inline constexpr unsigned kMaxThreads = 1024;

class Fibers {
 public:
  Fibers();

  // Makes fiber i start with `entry` when it is resumed next. What it did before is forgotten,
  // without unwinding: kernels own nothing.
  void start(unsigned i, void (*entry)());
  // Runs fiber i until it pauses. From the scheduler only.
  void resume(unsigned i);
  // Back to the scheduler. From a fiber only.
  void pause();

  uintptr_t stack_low(unsigned i) const { return reinterpret_cast<uintptr_t>(stack(i)); }
  size_t stack_bytes() const;

 private:
  struct Entry;
  char* stack(unsigned i) const;

  char* stacks_ = nullptr;
  boost::context::detail::fcontext_t contexts_[kMaxThreads] = {};
  boost::context::detail::fcontext_t scheduler_ = nullptr;
  void (*entry_)() = nullptr;
  // For AddressSanitizer, the scheduler's stack.
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_stack_bytes_ = 0;
  void* fake_stack_ = nullptr;
};

Fibers& fibers();

}  // namespace ncscope::simt
