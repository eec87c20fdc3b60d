#include <blis.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "kernels/cpu/blas_library.h"

namespace ncscope::blas {
namespace {

// Left to itself BLIS takes one.
int wanted_threads() {
  const bool said =
      std::getenv("BLIS_NUM_THREADS") != nullptr || std::getenv("OMP_NUM_THREADS") != nullptr;
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return said ? static_cast<int>(std::max<dim_t>(1, bli_thread_get_num_threads())) : cores;
}

}  // namespace

int take_threads() {
  static const int count = [] {
    const int all = wanted_threads();
    set_threads(1);
    return all;
  }();
  return count;
}

void set_threads(int count) { bli_thread_set_num_threads(count); }

std::string version() { return std::string("BLIS ") + bli_info_get_version_str(); }

std::string kernels() { return bli_arch_string(bli_arch_query_id()); }

std::string advice() { return ""; }

}  // namespace ncscope::blas
