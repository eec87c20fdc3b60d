#include <cblas.h>

#include "kernels/cpu/blas_library.h"

namespace ncscope::blas {

int take_threads() {
  static const int count = [] {
    const int all = openblas_get_num_threads();
    set_threads(1);
    return all;
  }();
  return count;
}

void set_threads(int count) { openblas_set_num_threads(count); }

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
