// Memory for batches, used again and again: fresh pages cost as much as the copy into them.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/admission.h"

namespace ncscope::server {

// Thread-safe. What it gives may outlive it.
class BatchPool {
 public:
  // Keeps up to `keep_bytes` that nobody uses.
  explicit BatchPool(size_t keep_bytes);

  // Throws OutOfMemory.
  BatchMemory take(size_t bytes);

  size_t kept() const;

 private:
  struct Shelf;
  std::shared_ptr<Shelf> shelf_;
};

}  // namespace ncscope::server
