// The table of symbols of a program or module, with the local ones that the loader has no use for.
#pragma once

#include <elf.h>

#include <functional>

namespace ncscope::simt {

// Calls visit(name, symbol) in the file's order; names of files are symbols too. False: no table,
// or not a file that this reads.
bool for_each_symbol(const char* path,
                     const std::function<void(const char* name, const Elf64_Sym& symbol)>& visit);

}  // namespace ncscope::simt
