// The built-in variables of kernels. Kernels see them as constants, so this file must not include
// the header that declares them.
#include <cstdint>

#include "simt_types.h"

uint3 threadIdx = {0, 0, 0};
uint3 blockIdx = {0, 0, 0};
dim3 blockDim;
dim3 gridDim;

namespace ncscope::simt {
namespace {

template <class T>
bool within(uintptr_t address, const T& variable) {
  return address - reinterpret_cast<uintptr_t>(&variable) < sizeof(T);
}

}  // namespace

// Declared in run.h, which includes what this file must not.
bool is_index(uintptr_t address);
void set_grid(dim3 grid, dim3 block);
void set_block(uint3 index);
void set_thread(uint3 index);
uint3 block_index();
uint3 thread_index();

bool is_index(uintptr_t address) {
  return within(address, threadIdx) || within(address, blockIdx) || within(address, blockDim) ||
         within(address, gridDim);
}

void set_grid(dim3 grid, dim3 block) {
  gridDim = grid;
  blockDim = block;
}

void set_block(uint3 index) { blockIdx = index; }
void set_thread(uint3 index) { threadIdx = index; }
uint3 block_index() { return blockIdx; }
uint3 thread_index() { return threadIdx; }

}  // namespace ncscope::simt
