// Data segments of the program and its modules: where __shared__ variables and constants are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/simt/runtime/shadow.h"

namespace ncscope::simt {

struct Segment {
  uintptr_t low = 0;
  size_t bytes = 0;
  bool writable = false;
  Shadow shadow{};  // of a writable one
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
