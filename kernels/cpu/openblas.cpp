#include <cblas.h>

#include "kernels/cpu/blas_library.h"

namespace ncscope::blas {

int threads() { return openblas_get_num_threads(); }

std::string version() { return openblas_get_config(); }

std::string kernels() { return openblas_get_corename(); }

std::string advice() {
#if defined(__x86_64__)
  return openblas_advice(kernels(),
                         __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0);
#else
  return "";
#endif
}

}  // namespace ncscope::blas
