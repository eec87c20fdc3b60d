// Which bytes of a program's data belong to kernels, by the names of its variables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ncscope::simt {

// One byte for each of the `bytes` from `low` on, of a segment of the module at `path` and loaded
// at `base`; 1 where kernels may read. They may read variables of functions (__shared__ ones,
// tables) of .cu files and headers, and of a segment that is not writable what has no name, as the
// compiler's constants. All, if the module's table of symbols is gone.
std::vector<uint8_t> find_kernel_data(const std::string& path, uintptr_t base, uintptr_t low,
                                      size_t bytes, bool writable);

}  // namespace ncscope::simt
