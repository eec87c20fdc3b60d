// Vector loops that every build compiles, and that give the same bits on every x86-64.
#pragma once

#include <cstddef>
#include <cstring>

#include "kernels/clones.h"

namespace ncscope::simd {

// Eight lanes; the compiler lowers them to what the processor has. A sum over lanes is one of fixed
// order, so that its bits do not depend on the width of the hardware.
inline constexpr size_t kLanes = 8;
typedef double Double8 __attribute__((vector_size(64)));
typedef float Float8 __attribute__((vector_size(32)));

// sum of a[i] * b[i].
double dot(const double* a, const double* b, size_t n);
// sum of a[i].
double sum(const double* a, size_t n);
// sum of (a[i] - b[i])^2.
double squared_distance(const double* a, const double* b, size_t n);
// sum of (a[i] - offset)^2.
double squared_offset(const double* a, double offset, size_t n);
// sum of (b[i] - a[i]) (b[i] + a[i]) = ||b||^2 - ||a||^2, without its cancellation.
double square_growth(const double* a, const double* b, size_t n);
// sum of (b[i] - a[i] - factor a[i])^2.
double squared_residual(const double* a, const double* b, double factor, size_t n);

// out[i] = log(x[i]) of positive normal numbers, within 1 ulp.
void log(const double* x, size_t n, double* out);

// The lowest place of the smallest or largest of n >= 1 numbers.
size_t first_minimum(const double* a, size_t n);
size_t first_maximum(const double* a, size_t n);

}  // namespace ncscope::simd
