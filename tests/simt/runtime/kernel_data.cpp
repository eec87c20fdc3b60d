#include "tests/simt/runtime/kernel_data.h"

#include <algorithm>
#include <string_view>

#include "tests/simt/runtime/elf.h"

namespace ncscope::simt {
namespace {

// Local symbols come after the name of their file. Those of nobody's, after an empty one, are of
// headers, and hidden.
class Owner {
 public:
  // Whether the variable is of a function that may be a kernel's.
  bool is_kernels(std::string_view name, const Elf64_Sym& symbol) const {
    const bool of_function = name.starts_with("_ZZ");
    if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL || file_.empty()) return of_function;
    // A dot is in names that the compiler gives.
    return of_kernels() && (of_function || name.find('.') != name.npos);
  }
  bool of_kernels() const { return file_.ends_with(".cu"); }
  void enter(std::string_view file) { file_ = file; }

 private:
  std::string file_;
};

}  // namespace

std::vector<uint8_t> find_kernel_data(const std::string& path, uintptr_t base, uintptr_t low,
                                      size_t bytes, bool writable) {
  std::vector<uint8_t> readable(bytes, writable ? 0 : 1);
  Owner owner;
  bool has_kernels = false;
  const bool known =
      for_each_symbol(path.c_str(), [&](std::string_view name, const Elf64_Sym& symbol) {
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FILE) owner.enter(name);
        has_kernels = has_kernels || owner.of_kernels();
        if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT) return;
        const size_t offset = base + symbol.st_value - low;
        if (offset >= bytes) return;
        std::fill_n(readable.begin() + static_cast<std::ptrdiff_t>(offset),
                    std::min<size_t>(symbol.st_size, bytes - offset),
                    owner.is_kernels(name, symbol) ? 1 : 0);
      });
  if (!known) readable.assign(bytes, 1);
  if (known && !has_kernels) readable.assign(bytes, 0);
  return readable;
}

}  // namespace ncscope::simt
