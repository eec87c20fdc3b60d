#include "kernels/cpu/blas_advice.h"

#include <cblas.h>

#include <algorithm>
#include <array>

namespace ncscope {
namespace {

// Those of x86 without AVX2. An OpenBLAS that is older than the processor falls back to one of
// them.
constexpr std::array<std::string_view, 18> kOldCores = {
    "Katmai",  "Coppermine",   "Northwood",  "Prescott", "Banias",      "Atom",
    "Core2",   "Penryn",       "Dunnington", "Nehalem",  "Sandybridge", "Athlon",
    "Opteron", "Opteron_SSE3", "Barcelona",  "Bobcat",   "Bulldozer",   "Nano"};

}  // namespace

std::string blas_advice(std::string_view core, bool has_avx2) {
  if (!has_avx2 || std::ranges::find(kOldCores, core) == kOldCores.end()) return "";
  return "OpenBLAS does not know this processor and takes its " + std::string(core) +
         " kernels; OPENBLAS_CORETYPE=Haswell in the environment makes it several times faster";
}

std::string blas_advice() {
#if defined(__x86_64__)
  return blas_advice(openblas_get_corename(),
                     __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0);
#else
  return "";
#endif
}

}  // namespace ncscope
