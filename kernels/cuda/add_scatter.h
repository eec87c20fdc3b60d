// From a tile of shifted rows to the scatter: the range of float32, and sums in float64.
#pragma once

#include "kernels/cuda/handles.h"

namespace ncscope::cuda {

// Multiplies a float32 tile of `count` elements by a power of two where products of its elements
// would leave the range of float32; `largest` are the bits of its largest magnitude.
void scale_tile(cudaStream_t stream, const unsigned* largest, float* tile, size_t count);

// Upper triangle of scatter [dim, dim] += that of partial [dim, dim], without the scale.
void add_scatter(cudaStream_t stream, const unsigned* largest, const float* partial, size_t dim,
                 double* scatter);

}  // namespace ncscope::cuda
