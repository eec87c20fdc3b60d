// Small kernels without a fault, and their launches.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace ncscope::simt {

// out[b] = sum of block b's stretch of bf16 bits, 256 threads each of one element.
cudaError_t sum_blocks(cudaStream_t stream, const uint16_t* x, size_t n, float* out);
// out[i] = in[i] + step, one thread each.
cudaError_t add_to(cudaStream_t stream, const int* in, int step, int* out, unsigned n);
// counts[i % 7] += 1, largest = max of i, smallest = min of i, from several blocks.
cudaError_t count_atomically(cudaStream_t stream, unsigned* counts, int* largest,
                             unsigned long long* smallest, unsigned blocks, unsigned threads);
// One warp; fills out[10][32] with one result of each kind of exchange per row.
cudaError_t exchange_lanes(cudaStream_t stream, double* out);
// out[z][y][x] of the global index gets its linear number.
cudaError_t number_3d(cudaStream_t stream, dim3 grid, dim3 block, unsigned* out);
// One warp passes values along through shared memory, ordered by __syncwarp; halves of the warp
// likewise by partial masks.
cudaError_t pass_in_warp(cudaStream_t stream, int* out);
cudaError_t pass_in_half_warps(cudaStream_t stream, int* out);
// Each thread writes its own byte, then its half word, of shared memory, neighbours next to it.
cudaError_t neighbours(cudaStream_t stream, uint8_t* bytes, uint16_t* halves);
// order[k] = the block that ran k-th, by an atomic counter.
cudaError_t order_of_blocks(cudaStream_t stream, unsigned* counter, unsigned* order,
                            unsigned blocks);
// Reads through references to constants, arguments and built-in variables; out[i] = i + 60.
cudaError_t read_constants(cudaStream_t stream, int* out);

}  // namespace ncscope::simt
