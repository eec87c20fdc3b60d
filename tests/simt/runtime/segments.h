// Data segments of the program and its modules: where __shared__ variables and constants are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simt/runtime/shadow.h"

namespace ncscope::simt {

struct Segment {
  uintptr_t low = 0;
  size_t bytes = 0;
  bool writable = false;
  Shadow shadow{};                     // of a writable one
  std::string path{};                  // of its module
  uintptr_t base = 0;                  // where that is loaded
  std::vector<uint8_t> kernel_data{};  // looked for when a kernel first comes

  // Whether the bytes are a kernel's and not the host's.
  bool is_kernels(uintptr_t address, size_t size) {
    if (kernel_data.empty()) find_data();
    for (size_t i = 0; i < size; ++i) {
      if (kernel_data[address - low + i] == 0) return false;
    }
    return true;
  }

 private:
  void find_data();
};

class Segments {
 public:
  // Looks again if modules were loaded or unloaded.
  void refresh();
  Segment* find(uintptr_t address) {
    if (last_ != nullptr && address - last_->low < last_->bytes) return last_;
    return search(address);
  }

 private:
  Segment* search(uintptr_t address);

  std::vector<Segment> segments_;
  Segment* last_ = nullptr;
  unsigned long long changes_ = 0;
};

}  // namespace ncscope::simt
