// Traces of solutions with a Cholesky factor, some columns at a time.
#pragma once

#include "kernels/device.h"

namespace ncscope::metrics {

// tr((L L^T)^-1 S), L of Device::cholesky() [n, n], S [n, n] in host memory.
double trace_of_solution(Device& device, ConstMatrix factor, ConstMatrix s);

// tr((L L^T)^-1).
double trace_of_inverse(Device& device, ConstMatrix factor);

}  // namespace ncscope::metrics
