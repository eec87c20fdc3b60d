// Objects that are used again once nobody holds them: pages that are touched for the first time
// cost as much as the copy into them.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace ncscope::client {

// Thread-safe. What was taken may outlive the recycler.
template <class T>
class Recycler {
 public:
  // One that was let go of, as it was left, or a new one.
  std::shared_ptr<T> take() {
    std::unique_ptr<T> object;
    {
      const std::lock_guard lock(shelf_->mutex);
      if (!shelf_->free.empty()) {
        object = std::move(shelf_->free.back());
        shelf_->free.pop_back();
      }
    }
    if (!object) object = std::make_unique<T>();
    return {object.release(), [shelf = shelf_](T* returned) {
              std::unique_ptr<T> owned(returned);
              const std::lock_guard lock(shelf->mutex);
              shelf->free.push_back(std::move(owned));
            }};
  }

 private:
  struct Shelf {
    std::mutex mutex;
    std::vector<std::unique_ptr<T>> free;  // most recently used last: likely in a cache still
  };
  std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
};

}  // namespace ncscope::client
