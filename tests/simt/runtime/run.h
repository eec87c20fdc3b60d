// The thread of a kernel that runs now, as the access checks see it.
#pragma once

#include <cstdint>
#include <string>

#include "cuda_runtime.h"

namespace ncscope::simt {

// Epochs number, over the life of the process, the stretches of a block between two barriers. So
// an older epoch tells by itself whether it is of this block, of this launch, or before.
struct Run {
  uintptr_t stack_low = 0;
  size_t stack_bytes = 0;
  uint32_t launch_epoch = 0;  // the first of this launch
  uint32_t block_epoch = 0;   // the first of this block
  uint32_t epoch = 0;
  uint16_t thread = 0;  // linear index in the block
  // Order within the warp: exchanges (barriers, shuffles, votes) are numbered. This lane sees what
  // lane i did before exchange seen[i], and what all did before seen_all.
  uint32_t exchange = 0;  // the last one of this lane
  uint32_t seen_all = 0;
  const uint32_t* seen = nullptr;  // [32]
  uintptr_t arguments_low = 0;
  size_t arguments_bytes = 0;
  const void* kernel = nullptr;
};

extern Run run;

// Whether this OS thread is inside a kernel whose accesses are checked.
extern constinit thread_local bool in_kernel __attribute__((tls_model("initial-exec")));

// Where threadIdx and friends live; kernels may read it.
bool is_index(uintptr_t address);
void set_grid(dim3 grid, dim3 block);
void set_block(uint3 index);
void set_thread(uint3 index);
uint3 block_index();
uint3 thread_index();

// Records a finding of the running thread.
void report_thread(const std::string& kind, const std::string& details, uintptr_t address,
                   cudaError_t error);
// The same, and never comes back to it.
[[noreturn]] void fail_thread(const char* kind, uintptr_t address, size_t bytes, const void* code,
                              cudaError_t error);

}  // namespace ncscope::simt
