// Checks of the running thread's accesses; call them only while in_kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/simt/runtime/shadow.h"

namespace ncscope::simt {

// Before a launch.
void start_checks();
// Gives back what is known of freed memory.
void forget_checks(uintptr_t address, size_t bytes);

// `code`: where in the kernel. They return if the access is right.
void check_access(uintptr_t address, size_t bytes, Access access, const void* code);
void check_aligned(uintptr_t address, size_t bytes, Access access, const void* code);

}  // namespace ncscope::simt
