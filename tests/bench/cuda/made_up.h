// Made-up data, written on the card: host threads are too slow for gigabytes of it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda/handles.h"
#include "kernels/dtype.h"

namespace ncscope::bench {

// bfloat16's bits; the host card has no products of those, and takes floats of the same values.
#if NCSCOPE_BENCH_HOST_CARD
using Half = float;
#else
using Half = uint16_t;
#endif

// Random numbers in (-2, 2), mean 0.
void fill(cudaStream_t stream, float* out, size_t count, uint64_t seed);
void fill(cudaStream_t stream, double* out, size_t count, uint64_t seed);

// Label of a row, random but known to host and card.
int32_t label_of(uint64_t row, size_t classes);
std::vector<int32_t> labels_of(size_t rows, size_t classes);
// out [rows, dim] of `type`, float32 or bfloat16: a mean of the row's class, and noise.
void fill_samples(cudaStream_t stream, DType type, void* out, size_t rows, size_t dim,
                  size_t classes, uint64_t seed);
// out [classes, dim]: those means.
void fill_means(cudaStream_t stream, double* out, size_t classes, size_t dim, uint64_t seed);

void widen(cudaStream_t stream, const float* in, double* out, size_t count);
// in = high + low up to 2^-22; both are exact in TF32.
void split_tf32(cudaStream_t stream, const float* in, float* high, float* low, size_t count);
// in = a + b + c up to 2^-24; c may be null.
void split_bf16(cudaStream_t stream, const float* in, Half* a, Half* b, Half* c, size_t count);

}  // namespace ncscope::bench
