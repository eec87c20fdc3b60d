// Atomics of kernels, and those of C++ that the compiler turns into callbacks.
#include <algorithm>
#include <cstdint>

#include "cuda_runtime.h"
#include "tests/simt/runtime/checks.h"
#include "tests/simt/runtime/run.h"

using namespace ncscope::simt;

namespace {

// One OS thread runs the kernel, and threads change only where they wait, so plain code will do.
template <class T, class F>
T change(T* address, const void* code, F new_value) {
  if (in_kernel) {
    check_aligned(reinterpret_cast<uintptr_t>(address), sizeof(T), Access::kAtomic, code);
  }
  const T old = *address;
  *address = new_value(old);
  return old;
}

}  // namespace

#define SIMT_ATOMICS(type)                                                      \
  type atomicAdd(type* address, type value) {                                   \
    return change(address, __builtin_return_address(0), [&](type old) -> type { \
      return static_cast<type>(static_cast<unsigned long long>(old) +           \
                               static_cast<unsigned long long>(value));         \
    });                                                                         \
  }                                                                             \
  type atomicMin(type* address, type value) {                                   \
    return change(address, __builtin_return_address(0),                         \
                  [&](type o) { return std::min(o, value); });                  \
  }                                                                             \
  type atomicMax(type* address, type value) {                                   \
    return change(address, __builtin_return_address(0),                         \
                  [&](type o) { return std::max(o, value); });                  \
  }
SIMT_ATOMICS(int)
SIMT_ATOMICS(unsigned)
SIMT_ATOMICS(unsigned long long)

#if NCSCOPE_SIMT_HOOKS

// Host code in the same file gets these too (guards of statics, shared_ptr): real atomics.
#define SIMT_CALLBACK(bits, name, ...)                                               \
  {                                                                                  \
    if (in_kernel) {                                                                 \
      check_aligned(reinterpret_cast<uintptr_t>(address), bits / 8, Access::kAtomic, \
                    __builtin_return_address(0));                                    \
    }                                                                                \
    return name(__VA_ARGS__);                                                        \
  }
#define SIMT_CALLBACKS(bits)                                                                       \
  uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t* address, int)           \
      SIMT_CALLBACK(                                                                               \
          bits, __atomic_load_n, address,                                                          \
          __ATOMIC_SEQ_CST) void __tsan_atomic##bits##_store(volatile uint##bits##_t* address,     \
                                                             uint##bits##_t value, int)            \
          SIMT_CALLBACK(bits, __atomic_store_n, address, value, __ATOMIC_SEQ_CST)                  \
              uint##bits##_t __tsan_atomic##bits##_exchange(                                       \
                  volatile uint##bits##_t* address, uint##bits##_t value,                          \
                  int) SIMT_CALLBACK(bits, __atomic_exchange_n, address, value, __ATOMIC_SEQ_CST)  \
                  uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile uint##bits##_t* address, \
                                                                 uint##bits##_t value, int)        \
                      SIMT_CALLBACK(bits, __atomic_fetch_add, address, value, __ATOMIC_SEQ_CST)    \
                          uint##bits##_t __tsan_atomic##bits##_fetch_sub(                          \
                              volatile uint##bits##_t* address, uint##bits##_t value,              \
                              int) SIMT_CALLBACK(bits, __atomic_fetch_sub, address, value,         \
                                                 __ATOMIC_SEQ_CST)                                 \
                              uint##bits##_t __tsan_atomic##bits##_fetch_and(                      \
                                  volatile uint##bits##_t* address, uint##bits##_t value,          \
                                  int) SIMT_CALLBACK(bits, __atomic_fetch_and, address, value,     \
                                                     __ATOMIC_SEQ_CST)                             \
                                  uint##bits##_t __tsan_atomic##bits##_fetch_or(                   \
                                      volatile uint##bits##_t* address, uint##bits##_t value,      \
                                      int) SIMT_CALLBACK(bits, __atomic_fetch_or, address, value,  \
                                                         __ATOMIC_SEQ_CST)                         \
                                      uint##bits##_t __tsan_atomic##bits##_fetch_xor(              \
                                          volatile uint##bits##_t* address, uint##bits##_t value,  \
                                          int) SIMT_CALLBACK(bits, __atomic_fetch_xor, address,    \
                                                             value, __ATOMIC_SEQ_CST) int          \
                                          __tsan_atomic##bits##_compare_exchange_strong(           \
                                              volatile uint##bits##_t* address,                    \
                                              uint##bits##_t* expected, uint##bits##_t value, int, \
                                              int)                                                 \
                                              SIMT_CALLBACK(bits, __atomic_compare_exchange_n,     \
                                                            address, expected, value, false,       \
                                                            __ATOMIC_SEQ_CST,                      \
                                                            __ATOMIC_SEQ_CST) int                  \
                                                  __tsan_atomic##bits##_compare_exchange_weak(     \
                                                      volatile uint##bits##_t* address,            \
                                                      uint##bits##_t* expected,                    \
                                                      uint##bits##_t value, int, int)              \
                                                      SIMT_CALLBACK(                               \
                                                          bits, __atomic_compare_exchange_n,       \
                                                          address, expected, value, true,          \
                                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#pragma GCC diagnostic ignored "-Wmissing-declarations"
extern "C" {
SIMT_CALLBACKS(8)
SIMT_CALLBACKS(16)
SIMT_CALLBACKS(32)
SIMT_CALLBACKS(64)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}
}

#endif  // NCSCOPE_SIMT_HOOKS
