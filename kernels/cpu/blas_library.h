// The BLAS that this was built on (CMake's NCSCOPE_BLAS): openblas.cpp or blis.cpp.
#pragma once

#include <string>
#include <string_view>

namespace ncscope::blas {

// Threads that the library would take: what its environment variable says, else the cores. From the
// first call on it takes one, so that tasks of ours may call it: products.h.
int take_threads();

// Threads of one call from now on, in the whole process.
void set_threads(int count);

// Name and version.
std::string version();

// Which kernels the library took for this processor.
std::string kernels();

// What would make it faster on this processor, for people; empty where nothing would.
std::string advice();

// The same of OpenBLAS with the kernels named `core` on a processor that has AVX2 or not.
std::string openblas_advice(std::string_view core, bool has_avx2);

}  // namespace ncscope::blas
