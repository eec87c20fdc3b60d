#include "tests/simt/runtime/elf.h"

#include <cstring>
#include <fstream>
#include <vector>

namespace ncscope::simt {

bool for_each_symbol(const char* path,
                     const std::function<void(const char* name, const Elf64_Sym& symbol)>& visit) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<char> bytes(file ? static_cast<size_t>(file.tellg()) : 0);
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.e_shoff + uint64_t{header.e_shnum} * sizeof(Elf64_Shdr) > bytes.size()) return false;
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), bytes.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  bool found = false;
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    found = true;
    const Elf64_Shdr& strings = sections[section.sh_link];
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, bytes.data() + section.sh_offset + at, sizeof symbol);
      visit(bytes.data() + strings.sh_offset + symbol.st_name, symbol);
    }
  }
  return found;
}

}  // namespace ncscope::simt
