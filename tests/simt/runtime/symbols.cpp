#include "tests/simt/runtime/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <vector>

namespace ncscope::simt {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

// Kernels are often local to their file, so the loader has no name for them: the file's table of
// symbols may. Empty: not there, or not a file that this reads.
std::string local_name(const char* path, uint64_t offset) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<char> bytes(file ? static_cast<size_t>(file.tellg()) : 0);
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header) return {};
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.e_shoff + uint64_t{header.e_shnum} * sizeof(Elf64_Shdr) > bytes.size()) return {};
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), bytes.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& strings = sections[section.sh_link];
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, bytes.data() + section.sh_offset + at, sizeof symbol);
      const bool function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC;
      if (!function || offset - symbol.st_value >= symbol.st_size) continue;
      return demangled(bytes.data() + strings.sh_offset + symbol.st_name);
    }
  }
  return {};
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
