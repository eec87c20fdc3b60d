#include "server/core/report_hub.h"

#include <utility>

#include "server/core/errors.h"
#include "server/core/text.h"

namespace ncscope::server {

std::optional<PublishedReport> Subscription::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return !queue_.empty() || overflowed_ || closed_; });
  if (!queue_.empty()) {
    PublishedReport report = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= report.report->ByteSizeLong();
    return report;
  }
  if (overflowed_) {
    throw ResourceExhausted("WatchReports: more than " + std::to_string(limits_.reports) +
                            " reports or " + format_bytes(limits_.bytes) +
                            " were waiting to be read; ask ListReports for what is missing and"
                            " watch again");
  }
  if (closed_) throw Unavailable("WatchReports: the server is shutting down");
  return std::nullopt;
}

void Subscription::push(const PublishedReport& report) {
  if (!run_.empty() && report.report->key().run() != run_) return;
  const size_t bytes = report.report->ByteSizeLong();
  const std::lock_guard lock(mutex_);
  const bool fits =
      queue_.empty() || (queue_.size() < limits_.reports && queued_bytes_ + bytes <= limits_.bytes);
  if (overflowed_ || !fits) {
    overflowed_ = true;
  } else {
    queue_.push_back(report);
    queued_bytes_ += bytes;
  }
  changed_.notify_all();
}

void Subscription::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::shared_ptr<Subscription> ReportHub::subscribe(std::string run) {
  auto subscription = std::make_shared<Subscription>(std::move(run), limits_);
  const std::lock_guard lock(mutex_);
  if (closed_) subscription->close();
  std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
  subscriptions_.push_back(subscription);
  return subscription;
}

void ReportHub::publish(const PublishedReport& report) {
  const std::lock_guard lock(mutex_);
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->push(report);
  }
  ++version_;
  changed_.notify_all();
}

void ReportHub::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->close();
  }
  ++version_;
  changed_.notify_all();
}

uint64_t ReportHub::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

void ReportHub::wait_for_change(uint64_t seen, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return version_ != seen; });
}

}  // namespace ncscope::server
