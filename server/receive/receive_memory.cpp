#include "server/receive/receive_memory.h"

#include <algorithm>
#include <vector>

namespace ncscope::server {

ReceiveMemory::ReceiveMemory(size_t limit, ReceiveCounters& counters)
    : limit_(limit), counters_(counters) {
  counters_.memory_limit_bytes = limit;
}

std::optional<ReceiveMemory::Lease> ReceiveMemory::take(size_t bytes, const void* who,
                                                        Granted granted) {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty() && fits(bytes)) {
    used_ += bytes;
    counters_.memory_bytes = used_;
    return Lease(this, bytes);
  }
  waiting_.push_back({bytes, who, std::move(granted)});
  counters_.waiting_streams = waiting_.size();
  return std::nullopt;
}

bool ReceiveMemory::forget(const void* who) {
  std::vector<Waiter> gone;  // ends without the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiter& waiter) { return waiter.who == who; });
  if (found == waiting_.end()) return false;
  gone.push_back(std::move(*found));
  waiting_.erase(found);
  counters_.waiting_streams = waiting_.size();
  return true;
}

void ReceiveMemory::give_back(size_t bytes) {
  std::vector<Waiter> served;
  {
    const std::lock_guard lock(mutex_);
    used_ -= bytes;
    while (!waiting_.empty() && fits(waiting_.front().bytes)) {
      used_ += waiting_.front().bytes;
      served.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    counters_.memory_bytes = used_;
    counters_.waiting_streams = waiting_.size();
  }
  for (Waiter& waiter : served) waiter.granted(Lease(this, waiter.bytes));
}

}  // namespace ncscope::server
