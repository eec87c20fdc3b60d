// What the machine can do, measured in the same process as what we do with it.
#pragma once

namespace ncscope::bench {

// Puts what BLAS computes with into the output's context.
void describe_machine();

// Flops per second of a [2048, 2048] x [2048, 2048] sgemm on all cores, best of a few.
double sgemm_rate();

// Forgets the largest resident size so far, so that peak_memory_bytes() is that of what follows.
void reset_peak_memory();
double peak_memory_bytes();

// Seconds of a monotonic clock.
double now_s();

}  // namespace ncscope::bench
