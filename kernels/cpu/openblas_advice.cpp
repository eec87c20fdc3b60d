#include <algorithm>
#include <array>

#include "kernels/cpu/blas_library.h"

namespace ncscope::blas {
namespace {

// Those of x86 without AVX2. An OpenBLAS that is older than the processor falls back to one of
// them.
constexpr std::array<std::string_view, 18> kOldCores = {
    "Katmai",  "Coppermine",   "Northwood",  "Prescott", "Banias",      "Atom",
    "Core2",   "Penryn",       "Dunnington", "Nehalem",  "Sandybridge", "Athlon",
    "Opteron", "Opteron_SSE3", "Barcelona",  "Bobcat",   "Bulldozer",   "Nano"};

}  // namespace

std::string openblas_advice(std::string_view core, bool has_avx2) {
  if (!has_avx2 || std::ranges::find(kOldCores, core) == kOldCores.end()) return "";
  return "OpenBLAS does not know this processor and takes its " + std::string(core) +
         " kernels; OPENBLAS_CORETYPE=Haswell in the environment makes it several times faster";
}

}  // namespace ncscope::blas
