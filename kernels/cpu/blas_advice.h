// Whether OpenBLAS computes with less than the processor has.
#pragma once

#include <string>
#include <string_view>

namespace ncscope {

// What to say to a user whose OpenBLAS took the kernels named `core` on a processor that has AVX2
// or not; empty where there is nothing to gain.
std::string blas_advice(std::string_view core, bool has_avx2);

// The same of this process.
std::string blas_advice();

}  // namespace ncscope
