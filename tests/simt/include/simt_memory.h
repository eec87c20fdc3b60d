// Included ahead of every file of kernels: the compiler has no callbacks for these functions, so
// calls of them go to the card, which checks and then does the same.
#pragma once

#include <string.h>

extern "C" {
void* memcpy(void* to, const void* from, size_t bytes) noexcept __asm__("ncscope_simt_memcpy");
void* memmove(void* to, const void* from, size_t bytes) noexcept __asm__("ncscope_simt_memmove");
void* memset(void* to, int value, size_t bytes) noexcept __asm__("ncscope_simt_memset");
int memcmp(const void* a, const void* b, size_t bytes) noexcept __asm__("ncscope_simt_memcmp");
}
