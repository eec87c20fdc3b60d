// Names of code addresses, for findings.
#pragma once

#include <string>

namespace ncscope::simt {

// The demangled function, else module and offset.
std::string name_of_code(const void* code);

}  // namespace ncscope::simt
