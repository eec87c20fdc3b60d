// Products of a tile of shifted rows, added into the scatter.
#pragma once

#include <cstddef>

#include "kernels/cpu/thread_pool.h"

namespace ncscope {

// Upper triangle of scatter [dim, dim] += tile^T tile, tile [rows, dim]. In float, the products of
// a tile are summed in float, in `partial` [dim, dim], and tiles are summed in double.
void add_scatter(ThreadPool& pool, const float* tile, size_t rows, size_t dim, float* partial,
                 double* scatter);
void add_scatter(ThreadPool& pool, const double* tile, size_t rows, size_t dim, double* scatter);

// The same with products of floats in double.
void add_scatter_wide(ThreadPool& pool, const float* tile, size_t rows, size_t dim,
                      double* scatter);

}  // namespace ncscope
