#include "tests/simt/runtime/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "tests/simt/runtime/elf.h"

namespace ncscope::simt {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

// Kernels are often local to their file, so the loader has no name for them: the file's table of
// symbols may. Empty: it has none.
std::string local_name(const char* path, uint64_t offset) {
  std::string found;
  for_each_symbol(path, [&](const char* name, const Elf64_Sym& symbol) {
    const bool function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC;
    if (found.empty() && function && offset - symbol.st_value < symbol.st_size) {
      found = demangled(name);
    }
  });
  return found;
}

std::string find_name(const void* code) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", code);
  Dl_info info{};
  if (dladdr(code, &info) == 0) return text;
  if (info.dli_sname != nullptr) return demangled(info.dli_sname);
  const auto offset = static_cast<const char*>(code) - static_cast<const char*>(info.dli_fbase);
  const std::string name = local_name(info.dli_fname, static_cast<uint64_t>(offset));
  if (!name.empty()) return name;
  std::snprintf(text, sizeof text, "+0x%zx", static_cast<size_t>(offset));
  return std::string(info.dli_fname) + text;
}

}  // namespace

std::string name_of_code(const void* code) {
  static std::map<const void*, std::string> names;
  const auto known = names.find(code);
  if (known != names.end()) return known->second;
  return names[code] = find_name(code);
}

}  // namespace ncscope::simt
