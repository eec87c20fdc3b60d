#include "server/signals.h"

#include <pthread.h>
#include <signal.h>

namespace ncscope::server {
namespace {

// Sent to the thread of StopSignals only, to end it.
constexpr int kEndThread = SIGUSR1;

sigset_t taken_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, kEndThread);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = taken_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A reader that went away, or a full file, is an error of the call that wrote.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  thread_ = std::thread([this] { take_signals(); });
}

StopSignals::~StopSignals() {
  pthread_kill(thread_.native_handle(), kEndThread);
  thread_.join();
}

void StopSignals::take_signals() {
  const sigset_t set = taken_signals();
  while (true) {
    int number = 0;
    if (sigwait(&set, &number) != 0) continue;
    if (number == kEndThread) return;
    const std::lock_guard lock(mutex_);
    if (count_++ == 0) first_ = number;
    changed_.notify_all();
  }
}

int StopSignals::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return count_ > 0; });
  return first_;
}

bool StopSignals::impatient() const {
  const std::lock_guard lock(mutex_);
  return count_ > 1;
}

}  // namespace ncscope::server
