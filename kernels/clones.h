// NCSCOPE_CLONES before a function compiles it for AVX-512 and AVX2 too, and picks one when the
// program starts: Debian's x86-64 has 128-bit vectors only. Sanitizers are not up yet when that
// choice is made, so their builds do without.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NCSCOPE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define NCSCOPE_CLONES
#endif
