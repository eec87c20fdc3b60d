// Vector loops that every build compiles, and that give the same bits on every x86-64.
#pragma once

#include <cstddef>
#include <cstring>

// Put before a function: compiles it for AVX-512 and AVX2 too, and picks one when the program
// starts. Debian's baseline has 128-bit vectors only. Sanitizers are not up yet when that choice is
// made, so their builds do without.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NCSCOPE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define NCSCOPE_CLONES
#endif

namespace ncscope::simd {

// Eight lanes; the compiler lowers them to what the processor has. A sum over lanes is one of fixed
// order, so that its bits do not depend on the width of the hardware.
inline constexpr size_t kLanes = 8;
typedef double Double8 __attribute__((vector_size(64)));
typedef float Float8 __attribute__((vector_size(32)));

// sum of a[i] * b[i].
double dot(const double* a, const double* b, size_t n);
// sum of (a[i] - b[i])^2.
double squared_distance(const double* a, const double* b, size_t n);

}  // namespace ncscope::simd
