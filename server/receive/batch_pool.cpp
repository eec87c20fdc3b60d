#include "server/receive/batch_pool.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <vector>

namespace ncscope::server {
namespace {

// Batches of nearly one size share memory: rounded up by at most an eighth, and to whole pages.
size_t rounded(size_t bytes) {
  const size_t step = std::max<size_t>(4096, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

}  // namespace

struct BatchPool::Shelf {
  explicit Shelf(size_t keep) : keep_bytes(keep) {}

  BatchMemory take(size_t size) {
    const std::lock_guard lock(mutex);
    const auto found = free.find(size);
    if (found == free.end()) return nullptr;
    BatchMemory memory = std::move(found->second.back());
    found->second.pop_back();
    if (found->second.empty()) free.erase(found);
    kept -= size;
    return memory;
  }

  void put(BatchMemory memory, size_t size) {
    if (size > keep_bytes) return;
    std::vector<BatchMemory> dropped;  // freed without the lock
    const std::lock_guard lock(mutex);
    // Sizes that nobody asks for any more go first, the largest of them.
    while (kept + size > keep_bytes) {
      const auto last = std::prev(free.end());
      if (last->first == size && free.size() == 1) {
        dropped.push_back(std::move(memory));
        return;
      }
      const auto other = last->first == size ? free.begin() : last;
      kept -= other->first;
      dropped.push_back(std::move(other->second.back()));
      other->second.pop_back();
      if (other->second.empty()) free.erase(other);
    }
    free[size].push_back(std::move(memory));
    kept += size;
  }

  const size_t keep_bytes;
  mutable std::mutex mutex;
  std::map<size_t, std::vector<BatchMemory>> free;  // by size
  size_t kept = 0;
};

BatchPool::BatchPool(size_t keep_bytes) : shelf_(std::make_shared<Shelf>(keep_bytes)) {}

BatchMemory BatchPool::take(size_t bytes) {
  const size_t size = rounded(bytes);
  BatchMemory memory = shelf_->take(size);
  if (!memory) memory = new_batch_memory(size);
  std::byte* const data = memory.get();
  // The last one who lets go puts it back.
  return {data, [shelf = shelf_, owned = std::move(memory), size](std::byte*) mutable {
            shelf->put(std::move(owned), size);
          }};
}

size_t BatchPool::kept() const {
  const std::lock_guard lock(shelf_->mutex);
  return shelf_->kept;
}

}  // namespace ncscope::server
